"""The command `sorter`, also `python -m edge`."""

import sys


def main() -> None:
    """Run the command line; what a forced command calls starts without the rest of it, in a third of the time."""
    if sys.argv[1:2] == ["receive"]:
        from edge.store.start import STATION, plain_options, receive

        options = plain_options(sys.argv[2:])
        if options is not None:
            sys.exit(receive(options.get("station", STATION), options.get("keys")))
    from edge.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
