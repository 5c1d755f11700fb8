"""From an audio file to 16 kHz windows and their spectrograms, to pictures and to WAV files."""
