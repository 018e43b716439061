"""How fast the portal is: run by hand with `make bench`, not by `./test`."""
