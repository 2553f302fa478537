"""The ground floor: values and rules. Nothing here does I/O or knows who calls it."""
