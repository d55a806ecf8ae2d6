"""Configuration and profiles as signed bundles: verified as a whole, switched at once, taken back if need be."""
