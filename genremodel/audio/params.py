"""Parameters of the audio front end, with their units.

They are those that MSD-musicnn was trained with (Pons and Serra, "musicnn: pre-trained
convolutional neural networks for music audio tagging", ISMIR 2019). Changing one of them means
training another network.
"""

SAMPLE_RATE = 16_000  # Hz
FFT_SIZE = 512  # samples
HOP_SIZE = 256  # samples
FFT_BINS = FFT_SIZE // 2 + 1
MEL_BANDS = 96  # Slaney scale and norm, 0 Hz to SAMPLE_RATE / 2
LOG_GAIN = 10_000.0  # log10(1 + LOG_GAIN * mel power)

WINDOW_SECONDS = 3.0
WINDOW_SAMPLES = int(WINDOW_SECONDS * SAMPLE_RATE)
WINDOW_FRAMES = WINDOW_SAMPLES // HOP_SIZE  # 187 spectrogram frames

MIN_SECONDS = 1.0  # shorter tracks are not analyzed
MIN_SAMPLES = int(MIN_SECONDS * SAMPLE_RATE)

# A window is digital silence if its samples stay within this distance (-80 dB of full scale) of a
# constant offset. Dither stays below it.
SILENCE_PEAK = 1e-4
