"""One file a command, of the name that a person types; imported when it is called."""
