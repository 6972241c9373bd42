"""The command `sorter`, also `python -m edge`."""

import sys


def main() -> None:
    """Run the command line; what a forced command or systemd calls starts without the rest of it, in a third of the time."""
    if sys.argv[1:2] == ["safe"]:
        from edge.tools.safe.make_safe import main as safe
        from edge.tools.safe.make_safe import plain_station

        station = plain_station(sys.argv[2:])
        if station is not None:
            from edge.system.output import prepare_streams

            prepare_streams()
            sys.exit(safe(station))
    if sys.argv[1:2] == ["receive"]:
        from edge.tools.receive.start import STATION, plain_options, receive

        options = plain_options(sys.argv[2:])
        if options is not None:
            sys.exit(receive(options.get("station", STATION), options.get("keys")))
    from edge.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
