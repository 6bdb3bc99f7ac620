"""What the models do not say about errors: each dialect's name for a common code, and statuses of unmodelled codes."""

_S3_NAMES = {
    "AccessDeniedException": "AccessDenied",
    "ValidationException": "InvalidArgument",
    "SerializationException": "MalformedXML",
    "ThrottlingException": "SlowDown",
    "InternalServerException": "InternalError",
    "ConflictException": "OperationAborted",
    "MalformedQueryString": "InvalidURI",
    "UnknownOperationException": "MethodNotAllowed",
}
_QUERY_NAMES = {
    "AccessDeniedException": "AccessDenied",
    "ValidationException": "ValidationError",
    "SerializationException": "MalformedQueryString",
    "ThrottlingException": "Throttling",
    "InternalServerException": "InternalFailure",
    "ResourceNotFoundException": "NoSuchEntity",
    "UnknownOperationException": "InvalidAction",
    "InvalidURI": "MalformedQueryString",
    "InvalidRequest": "MalformedQueryString",
}
_JSON_NAMES = {"InvalidURI": "ValidationException", "MalformedQueryString": "ValidationException"}
_KMS_NAMES = {
    **_JSON_NAMES,
    "InternalServerException": "KMSInternalException",
    "ResourceNotFoundException": "NotFoundException",
}

_PROTOCOL_NAMES = {"rest-xml": _S3_NAMES, "query": _QUERY_NAMES, "json": _KMS_NAMES, "rest-json": _JSON_NAMES}

_STATUSES = {
    "AccessDenied": 403,
    "AccessDeniedException": 403,
    "ExpiredToken": 403,
    "ExpiredTokenException": 403,
    "IncompleteSignature": 403,
    "IncompleteSignatureException": 403,
    "InternalError": 500,
    "InternalFailure": 500,
    "InternalServerException": 500,
    "InvalidClientTokenId": 403,
    "InvalidSignatureException": 403,
    "KMSInternalException": 500,
    "KeyUnavailableException": 500,
    "DependencyTimeoutException": 503,
    "MissingAuthenticationToken": 403,
    "MissingAuthenticationTokenException": 403,
    "NotImplemented": 501,
    "RequestEntityTooLargeException": 413,
    "RequestExpired": 403,
    "ServiceUnavailable": 503,
    "ServiceUnavailableException": 503,
    "SignatureDoesNotMatch": 403,
    "UnknownOperationException": 404,
    "UnrecognizedClientException": 403,
}

_S3_STATUSES = {
    "AllAccessDisabled": 403,
    "AuthorizationHeaderMalformed": 400,
    "BucketAlreadyExists": 409,
    "BucketAlreadyOwnedByYou": 409,
    "BucketNotEmpty": 409,
    "ConditionalRequestConflict": 409,
    "ExpiredToken": 400,
    "InvalidAccessKeyId": 403,
    "InvalidBucketState": 409,
    "InvalidObjectState": 403,
    "InvalidPayer": 403,
    "InvalidRange": 416,
    "InvalidSecurity": 403,
    "MethodNotAllowed": 405,
    "MissingContentLength": 411,
    "NoSuchBucket": 404,
    "NoSuchBucketPolicy": 404,
    "NoSuchCORSConfiguration": 404,
    "NoSuchKey": 404,
    "NoSuchLifecycleConfiguration": 404,
    "NoSuchTagSet": 404,
    "NoSuchUpload": 404,
    "NoSuchVersion": 404,
    "NoSuchWebsiteConfiguration": 404,
    "NotModified": 304,
    "NotFound": 404,
    "ObjectLockConfigurationNotFoundError": 404,
    "OperationAborted": 409,
    "PermanentRedirect": 301,
    "PreconditionFailed": 412,
    "ReplicationConfigurationNotFoundError": 404,
    "RequestTimeTooSkewed": 403,
    "ServerSideEncryptionConfigurationNotFoundError": 404,
    "SlowDown": 503,
    "TemporaryRedirect": 307,
}


def spoken_code(code: str, protocol: str, service: str | None) -> str:
    """A code in the service's own words: rooms raise the common ones without knowing the dialect."""
    return _PROTOCOL_NAMES[protocol].get(code, code)


def status_of_code(code: str, protocol: str) -> int:
    """The status of a code that the model gives none: 400 unless known better."""
    if protocol == "rest-xml" and code in _S3_STATUSES:
        return _S3_STATUSES[code]
    if protocol == "json" and code == "UnknownOperationException":
        return 400
    return _STATUSES.get(code, 400)
