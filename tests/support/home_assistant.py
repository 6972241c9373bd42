"""What Home Assistant takes as a device's discovery message, by the schemas of its MQTT integration (2025.4).

What it would ignore is an error here: a misspelt key is one that does nothing.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

import jinja2
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

Topic = Annotated[str, Field(pattern=r"^[^+#\x00]+$", max_length=65_535)]
DISCOVERY_TOPIC = re.compile(r"homeassistant/device/[a-zA-Z0-9_-]+/config")
TEMPLATES = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Device(_Strict):
    identifiers: Annotated[list[str], Field(min_length=1)]
    name: str
    manufacturer: str
    model: str
    sw_version: str


class Origin(_Strict):
    name: str
    sw_version: str


class Entity(_Strict):
    name: str
    unique_id: str
    icon: Annotated[str, Field(pattern="^mdi:[a-z-]+$")] | None = None
    entity_category: Literal["config", "diagnostic"] | None = None
    json_attributes_topic: Topic | None = None
    json_attributes_template: str | None = None


class Sensor(Entity):
    platform: Literal["sensor"]
    value_template: str
    device_class: Literal["enum", "temperature"] | None = None
    options: Annotated[list[str], Field(min_length=1)] | None = None
    state_class: Literal["measurement", "total", "total_increasing"] | None = None
    unit_of_measurement: str | None = None

    @model_validator(mode="after")
    def _hangs_together(self) -> Sensor:
        if (self.options is not None) != (self.device_class == "enum"):
            raise ValueError("options belong to the device class enum")
        if self.options is not None and (self.state_class or self.unit_of_measurement):
            raise ValueError("an enum has neither state class nor unit")
        if self.device_class == "temperature" and self.unit_of_measurement not in ("°C", "°F", "K"):
            raise ValueError("no unit of a temperature")
        return self


class BinarySensor(Entity):
    platform: Literal["binary_sensor"]
    value_template: str
    device_class: Literal["problem"]


class Button(Entity):
    platform: Literal["button"]
    command_topic: Topic
    payload_press: str


class Removed(_Strict):
    """A component that may have been there before."""

    platform: Literal["sensor", "binary_sensor", "button"]


class DiscoveryMessage(_Strict):
    device: Device
    origin: Origin
    state_topic: Topic
    availability_topic: Topic
    payload_available: str
    payload_not_available: str
    qos: Literal[0, 1, 2]
    components: dict[str, Sensor | BinarySensor | Button | Removed]


def read_discovery(topic: str, payload: str) -> DiscoveryMessage:
    """Return the message as Home Assistant takes it, or fail."""
    assert DISCOVERY_TOPIC.fullmatch(topic)
    message = TypeAdapter(DiscoveryMessage).validate_json(payload)
    ids = [entity.unique_id for entity in message.components.values() if isinstance(entity, Entity)]
    assert len(ids) == len(set(ids))
    return message


def show(message: DiscoveryMessage, state: str) -> dict[str, str]:
    """Return what Home Assistant shows of a state message: the value of each entity by its name."""
    table = json.loads(state)
    shown = {}
    for entity in message.components.values():
        if isinstance(entity, Sensor | BinarySensor):
            shown[entity.name] = _render(entity.value_template, table)
        if isinstance(entity, Sensor) and entity.options is not None:
            assert shown[entity.name] in entity.options
        if isinstance(entity, BinarySensor):
            assert shown[entity.name] in ("ON", "OFF")
    assert all(len(value) <= 255 for value in shown.values())
    show_attributes(message, state)
    return shown


def show_attributes(message: DiscoveryMessage, state: str) -> dict[str, dict[str, Any]]:
    """Return what Home Assistant shows beside the values: the attributes of each entity that has some, by its name."""
    table, shown = json.loads(state), {}
    for entity in message.components.values():
        if isinstance(entity, Entity) and entity.json_attributes_template is not None:
            shown[entity.name] = json.loads(_render(entity.json_attributes_template, table))
            assert isinstance(shown[entity.name], dict)
    return shown


def _render(template: str, table: dict[str, Any]) -> str:
    return TEMPLATES.from_string(template).render(value_json=table)
