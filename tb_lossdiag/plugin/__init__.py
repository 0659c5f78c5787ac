"""The TensorBoard plugin: loader, routes and the built page."""
