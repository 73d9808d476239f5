"""From rows to predictions: the packed site, the pipeline that every way of deploying shares, and the packer."""

from __future__ import annotations
