"""A running station is taught from its page: items are kept as they are shown, and a process of its own learns from them."""
