"""S3, the part that Bedrock's users need, on one server for every Region. Knows nothing of HTTP and XML.

Everything that S3 has and this room has not answers NotImplemented: by its absence from `OPERATIONS`, or, where only a
member asks for it, by `unserved`.
"""

from outcrop.services.call import Operation
from outcrop.services.s3 import bucket_settings, buckets, copying, listing, multipart, objects

OPERATIONS: dict[str, Operation] = {
    **buckets.OPERATIONS,
    **bucket_settings.OPERATIONS,
    **objects.OPERATIONS,
    **copying.OPERATIONS,
    **listing.OPERATIONS,
    **multipart.OPERATIONS,
}
