"""Published methods, each file readable beside its paper."""
