"""Pins: in, out and pulses."""
