"""Monthly statistics and figures by agency, with small numbers hidden."""
