"""The network: a frozen front and a back that learns."""
