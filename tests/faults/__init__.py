"""What goes wrong with a network and a server: cut, silent, gone, restarted."""
