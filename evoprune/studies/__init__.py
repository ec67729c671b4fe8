"""From a finished run to tables and pictures, and from runs to studies."""
