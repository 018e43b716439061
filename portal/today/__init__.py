"""The Today page: what needs me."""
