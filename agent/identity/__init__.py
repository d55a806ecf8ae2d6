"""The device's identity: its keys, their certificates, and how both are renewed without stopping the service."""
