"""From the crops of an item to a prediction: the int8 network in a process of its own."""
