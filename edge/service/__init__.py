"""What ties the program to the machine it lives on: systemd, temperature, installation."""
