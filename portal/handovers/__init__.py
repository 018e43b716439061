"""Handing over: what hangs on a member of staff who leaves goes to a colleague, in the act that takes the post away."""
