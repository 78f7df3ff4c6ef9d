"""Starts the whole system on a bare machine: services, web, workers and a demo. Imports no Django app."""
