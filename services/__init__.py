"""The services of the exchange, one package each, over `services.core`."""
