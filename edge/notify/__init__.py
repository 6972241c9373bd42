"""Who is told what goes on, over the network: a broker, web addresses, people by mail. Nothing of the station waits for it."""
