"""Data sets: in memory, or in chunks of rows of a memory map, an iterable or a Dask collection.

A fit accesses chunked data in two ways. Sums over the rows, such as moments or an objective with
its gradient, are sums over the chunks: :meth:`ChunkedData.map_reduce`. Epochs of small updates
process one chunk after the other: :meth:`ChunkedData.fold`. Each kind of data implements these two.
"""
