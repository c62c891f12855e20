"""The data path: all the I/O of a request. exchange.py shows the way of one request from end to end."""
