"""The steps from one schema to the next, run when the catalogue is opened."""
