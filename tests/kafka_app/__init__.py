"""An app whose module ``kafka`` declares topics and consumers."""
