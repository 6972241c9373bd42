"""What Home Assistant is told so that a station is there as one device, by its rules for device discovery over MQTT.

https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edge import __version__
from edge.config import RESIDUAL
from edge.config.sorting import Bin
from edge.health.state import State

ONLINE, OFFLINE = "online", "offline"
COMMANDS = ("pause", "resume", "reset")
_ICONS = {"pause": "mdi:pause", "resume": "mdi:play", "reset": "mdi:restart"}
_COUNT = {"state_class": "total_increasing", "unit_of_measurement": "items", "icon": "mdi:counter"}


@dataclass(frozen=True, slots=True)
class Topics:
    """Where a station's messages go; names of stations have no signs that topics can't have."""

    base: str
    discovery_prefix: str
    station: str

    @property
    def state(self) -> str:
        return f"{self.base}/{self.station}/state"

    @property
    def availability(self) -> str:
        return f"{self.base}/{self.station}/availability"

    @property
    def command(self) -> str:
        return f"{self.base}/{self.station}/command"

    @property
    def test(self) -> str:
        return f"{self.base}/{self.station}/test"

    @property
    def discovery(self) -> str:
        return f"{self.discovery_prefix}/device/edge-sorter-{self.station}/config"

    @property
    def birth(self) -> str:
        """Where Home Assistant says that it has started."""
        return f"{self.discovery_prefix}/status"


def discovery(topics: Topics, bins: tuple[Bin, ...], *, takes_commands: bool) -> dict[str, Any]:
    """Return the one message that announces a station with everything there is to see, and its buttons if there are any."""
    identifier = f"edge-sorter-{topics.station}"
    components = dict(_sensors(topics.state))
    for where in bins:
        components |= _bin_sensors(where, topics.state)
    for command in COMMANDS:
        # A button that is no longer there has to be named, without anything besides its platform.
        components[command] = {"platform": "button"} | (_button(topics, command) if takes_commands else {})
    for name, component in components.items():
        if len(component) > 1:
            component["unique_id"] = f"{identifier}-{name}"
    return {
        "device": {
            "identifiers": [identifier],
            "name": f"Sorter {topics.station}",
            "manufacturer": "edge-sorter",
            "model": "Sorting station",
            "sw_version": __version__,
        },
        "origin": {"name": "edge-sorter", "sw_version": __version__},
        "state_topic": topics.state,
        "availability_topic": topics.availability,
        "payload_available": ONLINE,
        "payload_not_available": OFFLINE,
        "qos": 1,
        "components": components,
    }


def _sensors(state_topic: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "state", _sensor("State", "state", device_class="enum", options=[str(state) for state in State])
    yield (
        "fault",
        _sensor("What is wrong", "fault", icon="mdi:alert-circle-outline") | _attributes(state_topic, "faults"),
    )
    yield (
        "problem",
        {
            "platform": "binary_sensor",
            "name": "Problem",
            "device_class": "problem",
            "value_template": _on_off("value_json.faults | length > 0"),
        },
    )
    yield "items", _sensor("Items", "total", **_COUNT)
    yield "rate", _sensor("Rate", "items_per_min", state_class="measurement", unit_of_measurement="items/min")
    yield (
        "last_item",
        _sensor("Last item", "last_item.label", icon="mdi:recycle") | _attributes(state_topic, "last_item"),
    )
    yield (
        "temperature",
        _sensor(
            "Temperature",
            "temperature_c",
            device_class="temperature",
            state_class="measurement",
            unit_of_measurement="°C",
            entity_category="diagnostic",
        ),
    )


def _bin_sensors(where: Bin, state_topic: str) -> dict[str, dict[str, Any]]:
    value = f"value_json.bins['{where.name}']"
    found = {
        f"bin_{where.name}_count": _sensor(f"Bin {where.name}", "", value=f"{value}.count", **_COUNT),
        f"bin_{where.name}_full": {
            "platform": "binary_sensor",
            "name": f"Bin {where.name} full",
            "device_class": "problem",
            "value_template": _on_off(f"{value}.full"),
        },
    }
    if where.capacity is not None and where.full_pin is None:
        found[f"bin_{where.name}_level"] = _sensor(
            f"Bin {where.name} level",
            "",
            value=f"{value}.level_percent",
            state_class="measurement",
            unit_of_measurement="%",
            icon="mdi:delete-variant",
        )
    if where.name != RESIDUAL:
        found[f"bin_{where.name}_purity"] = _sensor(
            f"Bin {where.name} purity",
            "",
            value=f"{value}.purity.percent",
            state_class="measurement",
            unit_of_measurement="%",
            icon="mdi:check-decagram-outline",
            entity_category="diagnostic",
            json_attributes_topic=state_topic,
            json_attributes_template=f"{{{{ {value}.purity | tojson }}}}",
        )
    return found


def _sensor(name: str, key: str, *, value: str = "", **more: Any) -> dict[str, Any]:
    return {"platform": "sensor", "name": name, "value_template": f"{{{{ {value or f'value_json.{key}'} }}}}", **more}


def _attributes(state_topic: str, key: str) -> dict[str, Any]:
    """Show more than fits into a state, beside it."""
    return {
        "json_attributes_topic": state_topic,
        "json_attributes_template": f"{{{{ {{'{key}': value_json.{key}}} | tojson }}}}",
    }


def _on_off(condition: str) -> str:
    return f"{{{{ 'ON' if {condition} else 'OFF' }}}}"


def _button(topics: Topics, command: str) -> dict[str, Any]:
    return {
        "name": command.capitalize(),
        "command_topic": topics.command,
        "payload_press": command,
        "icon": _ICONS[command],
    }
