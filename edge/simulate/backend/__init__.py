"""The simulated world behind the interfaces of real devices."""
