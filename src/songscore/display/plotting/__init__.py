"""Figures with matplotlib, from the extra ``plot``: each function draws on given or new Axes and returns them.

Time runs along the abscissa in minutes and seconds from the start of the track or of the release. Colours are those of
Okabe and Ito (2008), told apart by every kind of colour vision.
"""

from songscore.display.plotting.contributions import plot_contributions
from songscore.display.plotting.curves import plot_curves
from songscore.display.plotting.features import plot_features
from songscore.display.plotting.release import plot_release
from songscore.display.plotting.timeline import plot_timeline

__all__ = ["plot_contributions", "plot_curves", "plot_features", "plot_release", "plot_timeline"]
