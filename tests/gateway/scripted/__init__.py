"""What surrounds a gateway, scripted: an API server, agents, and a real Redis."""
