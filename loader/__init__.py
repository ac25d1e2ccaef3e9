"""Parts to the target table, exactly once, proven to the cent."""
