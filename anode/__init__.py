"""Density estimation for resonant anomaly detection at colliders.

Follow the data from left to right::

    events -> regions -> density -> training -> methods -> evaluation -> reporting -> pipeline
"""

__version__ = "0.2.0"
