"""How to talk to a meter; knows nothing of orders, checks or the MDSP."""
