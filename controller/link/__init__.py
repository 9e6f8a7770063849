"""The link process: tails the record, publishes it over MQTT, serves the console. It has the network and no devices."""
