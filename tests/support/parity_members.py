"""
Every member of every operation that is offered, and how ours compares: by request, answer and structure.

tests/docs/test_docs_parity.py holds it against botocore's model and against what the contract tests send and
receive: no member is left out, and none is called the same that no test has sent, or read.
"""

from __future__ import annotations

from support.parity_later import LOG_DESTINATIONS, LOGGING_ROLE, SESSION_POLICY, USER_ROLE
from support.parity_rows import GUIDE, MEMORY, Row, like, open_to, unlike

_SHOWN = "kept and shown; decides nothing"
_SIZES = "pages of `MaxResults`, at most and by default 1,000"
_SERVER_BOTH = (
    like("HostKey IdentityProviderDetails"),
    like("SecurityPolicyName", "the model's names; an unknown one is ResourceNotFoundException"),
    like("PreAuthenticationLoginBanner", "sent before the login"),
    like("PostAuthenticationLoginBanner", "ignored for SFTP"),
    like("Certificate", "ignored where SFTP is the one protocol", MEMORY),
    like("S3StorageOptions ProtocolDetails"),
    LOG_DESTINATIONS,
    LOGGING_ROLE,
    unlike("EndpointType EndpointDetails IpAddressType", "where the server can be reached", _SHOWN),
    unlike("IdentityProviderType", "four types", "`AWS_DIRECTORY_SERVICE` is refused"),
    unlike("Protocols", "SFTP, FTP, FTPS, AS2", "SFTP; others are refused"),
    unlike("WorkflowDetails", "workflows that uploads start", "checked, kept and shown; nothing is started"),
)
_USER_BOTH = (
    like("ServerId UserName HomeDirectoryType"),
    unlike(
        "HomeDirectory HomeDirectoryMappings",
        "what cannot be used is found at the login",
        "what can never be used is refused when it is set",
        GUIDE,
    ),
    USER_ROLE,
    SESSION_POLICY,
    unlike("PosixProfile", "for files on EFS", _SHOWN),
)
_PAGES = like("MaxResults NextToken", _SIZES)
_TOKEN = like("NextToken", "not there on the last page", MEMORY)
_IDS = like("ServerId UserName")
_KEY_STORE = "host keys are with the service, or in Secrets Manager"
_NO_SECRET = "`SERVICE_MANAGED` alone"

OPERATIONS: dict[str, tuple[tuple[Row, ...], tuple[Row, ...]]] = {
    "CreateServer": (
        (
            *_SERVER_BOTH,
            like("Tags"),
            unlike("Domain", "S3 or EFS", "S3; EFS is refused"),
            unlike("HostKeyStorageType", _KEY_STORE, _NO_SECRET),
        ),
        (like("ServerId", "`s-` and 17 hexadecimal digits"),),
    ),
    "UpdateServer": ((*_SERVER_BOTH, like("ServerId")), (like("ServerId"),)),
    "DescribeServer": ((like("ServerId"),), (like("Server"),)),
    "ListServers": ((_PAGES,), (_TOKEN, like("Servers"))),
    "StartServer": ((like("ServerId"),), ()),
    "StopServer": ((like("ServerId"),), ()),
    "DeleteServer": ((like("ServerId"),), ()),
    "ImportHostKey": (
        (
            like("ServerId HostKeyBody Description Tags"),
            unlike("StorageType KmsKey", _KEY_STORE, _NO_SECRET),
        ),
        (like("ServerId"), like("HostKeyId", "`hostkey-` and 17 hexadecimal digits")),
    ),
    "DescribeHostKey": ((like("ServerId HostKeyId"),), (like("HostKey"),)),
    "ListHostKeys": ((_PAGES, like("ServerId")), (_TOKEN, like("ServerId HostKeys"))),
    "UpdateHostKey": (
        (like("ServerId HostKeyId Description"), unlike("StorageType KmsKey", _KEY_STORE, _NO_SECRET)),
        (like("ServerId HostKeyId"),),
    ),
    "DeleteHostKey": ((like("ServerId HostKeyId"),), ()),
    "CreateUser": ((*_USER_BOTH, like("SshPublicKeyBody Tags")), (_IDS,)),
    "DescribeUser": ((_IDS,), (like("ServerId User"),)),
    "ListUsers": ((_PAGES, like("ServerId")), (_TOKEN, like("ServerId Users"))),
    "UpdateUser": (_USER_BOTH, (_IDS,)),
    "DeleteUser": ((_IDS,), ()),
    "ImportSshPublicKey": (
        (
            _IDS,
            unlike(
                "SshPublicKeyBody",
                "RSA, ECDSA and Ed25519 keys",
                "the same, and RSA of 2048 bits at least",
                GUIDE,
            ),
        ),
        (_IDS, like("SshPublicKeyId", "`key-` and 17 hexadecimal digits")),
    ),
    "DeleteSshPublicKey": ((_IDS, like("SshPublicKeyId")), ()),
    "CreateWorkflow": (
        (
            like("Description OnExceptionSteps Steps Tags", "kept and shown; what runs is told below"),
            unlike("StructuredLogDestinations", "where executions are logged", _SHOWN),
        ),
        (like("WorkflowId", "`w-` and 17 hexadecimal digits"),),
    ),
    "DescribeWorkflow": ((like("WorkflowId"),), (like("Workflow"),)),
    "ListWorkflows": ((_PAGES,), (_TOKEN, like("Workflows"))),
    "DeleteWorkflow": ((like("WorkflowId"),), ()),
    "ListExecutions": (
        (_PAGES, like("WorkflowId")),
        (
            like("WorkflowId"),
            unlike("Executions NextToken", "those in progress", "an empty list: nothing starts one"),
        ),
    ),
    "DescribeExecution": (
        (like("ExecutionId WorkflowId"),),
        (unlike("Execution WorkflowId", "of one in progress", "never: there is none"),),
    ),
    "SendWorkflowStepState": (
        (
            unlike(
                "ExecutionId Status Token WorkflowId", "ends a step", "ResourceNotFoundException: none waits"
            ),
        ),
        (),
    ),
    "TagResource": ((like("Arn Tags"),), ()),
    "UntagResource": ((like("Arn TagKeys"),), ()),
    "ListTagsForResource": ((_PAGES, like("Arn")), (_TOKEN, like("Arn Tags"))),
    "TestIdentityProvider": (
        (like("ServerId ServerProtocol SourceIp UserName UserPassword"),),
        (
            like("Response StatusCode Url"),
            unlike("Message", "`Internal server error`", "the same, and why", GUIDE),
        ),
    ),
    "ListSecurityPolicies": (
        (_PAGES,),
        (
            _TOKEN,
            unlike(
                "SecurityPolicyNames", "policies of servers and of connectors", "those of servers", MEMORY
            ),
        ),
    ),
    "DescribeSecurityPolicy": ((like("SecurityPolicyName"),), (like("SecurityPolicy"),)),
}

_NO_EXECUTION = unlike  # every member of an execution: there is none to show
_RUNS = ("of an execution in progress", "never: there is none")

STRUCTURES: dict[str, tuple[Row, ...]] = {
    "DescribedServer": (
        like("Arn Domain IdentityProviderType LoggingRole Protocols SecurityPolicyName ServerId State"),
        like("PostAuthenticationLoginBanner PreAuthenticationLoginBanner ProtocolDetails S3StorageOptions"),
        like("Certificate EndpointDetails EndpointType IpAddressType WorkflowDetails", "as they were given"),
        like("IdentityProviderDetails", "left out for `SERVICE_MANAGED`"),
        like("StructuredLogDestinations", "an empty list where there is none", MEMORY),
        open_to("UserCount", "of a server that was given another provider", "users that are kept count"),
        like("As2ServiceManagedEgressIpAddresses", "only with AS2"),
        unlike("Tags", "those that were given", "and `tidegate:sftp-endpoint`, which tells where it listens"),
        open_to("HostKeyFingerprint", "of which host key, where there are several", "of the oldest"),
    ),
    "ListedServer": (
        like("Arn Domain EndpointType IdentityProviderType LoggingRole ServerId State UserCount"),
    ),
    "EndpointDetails": (
        like("SubnetIds VpcEndpointId VpcId", "as they were given"),
        like("SecurityGroupIds", "taken, and never shown"),
        unlike("AddressAllocationIds", "in UpdateServer only", "in CreateServer, too"),
    ),
    "IdentityProviderDetails": (
        like("Function InvocationRole SftpAuthenticationMethods Url"),
        unlike("DirectoryId", "an AWS directory", "refused, as its type is"),
    ),
    "ProtocolDetails": (
        like("SetStatOption", "`DEFAULT` refuses SETSTAT, `ENABLE_NO_OP` forgets it"),
        like("PassiveIp TlsSessionResumptionMode", "for FTP and FTPS"),
        unlike(
            "SftpPorts ProxyConfig", "ports, and the PROXY protocol", _SHOWN + ": the configuration says them"
        ),
        unlike("As2Transports", "AS2", "refused"),
    ),
    "SftpPortWithOptions": (unlike("CommunicationMode SftpPort", "a port", _SHOWN),),
    "ProxyConfig": (unlike("SftpMode", "the PROXY protocol", _SHOWN),),
    "S3StorageOptions": (
        like("DirectoryListingOptimization", "`DISABLED` unless told otherwise: a target must exist", GUIDE),
    ),
    "WorkflowDetails": (like("OnPartialUpload OnUpload", "as they were given; an empty list clears"),),
    "WorkflowDetail": (like("ExecutionRole WorkflowId"),),
    "Tag": (like("Key Value"),),
    "DescribedHostKey": (
        like("Arn DateImported Description HostKeyFingerprint HostKeyId Tags Type"),
        open_to("StorageType", "since when it is shown", "not shown: there is one kind of storage"),
        like("SecretId", "only with `SECRETS_MANAGER`"),
    ),
    "ListedHostKey": (
        like("Arn DateImported Description Fingerprint HostKeyId Type"),
        open_to("StorageType", "since when it is shown", "not shown: there is one kind of storage"),
        like("SecretId", "only with `SECRETS_MANAGER`"),
    ),
    "DescribedUser": (
        like("Arn HomeDirectory HomeDirectoryMappings HomeDirectoryType Policy Role Tags UserName"),
        like("PosixProfile SshPublicKeys"),
    ),
    "ListedUser": (like("Arn HomeDirectory HomeDirectoryType Role SshPublicKeyCount UserName"),),
    "HomeDirectoryMapEntry": (
        like("Entry Type"),
        unlike("Target", "one that ends in a slash fails the login", "it is refused when it is set", GUIDE),
    ),
    "PosixProfile": (unlike("Gid SecondaryGids Uid", "for files on EFS", _SHOWN),),
    "SshPublicKey": (
        like("DateImported"),
        unlike("SshPublicKeyBody", "as it was given", "its comment without control characters", GUIDE),
        unlike("SshPublicKeyId", "a new one each time", "a key that comes again has the id it had", MEMORY),
    ),
    "DescribedWorkflow": (
        like("Arn Description OnExceptionSteps Steps StructuredLogDestinations Tags WorkflowId"),
    ),
    "ListedWorkflow": (like("Arn Description WorkflowId"),),
    "WorkflowStep": (
        like("CopyStepDetails CustomStepDetails DecryptStepDetails DeleteStepDetails TagStepDetails Type"),
    ),
    "CopyStepDetails": (like("DestinationFileLocation Name OverwriteExisting SourceFileLocation"),),
    "DecryptStepDetails": (like("DestinationFileLocation Name OverwriteExisting SourceFileLocation Type"),),
    "CustomStepDetails": (like("Name SourceFileLocation Target TimeoutSeconds"),),
    "TagStepDetails": (like("Name SourceFileLocation Tags"),),
    "DeleteStepDetails": (like("Name SourceFileLocation"),),
    "S3Tag": (like("Key Value"),),
    "InputFileLocation": (
        like("S3FileLocation"),
        unlike("EfsFileLocation", "a file on EFS", "refused"),
    ),
    "S3InputFileLocation": (like("Bucket Key"),),
    "EfsFileLocation": (unlike("FileSystemId Path", "a file on EFS", "refused"),),
    "DescribedSecurityPolicy": (
        like("Fips SecurityPolicyName SshCiphers SshKexs SshMacs TlsCiphers"),
        like("Protocols Type", "shown of every policy", MEMORY),
        like("SshHostKeyAlgorithms", "only of policies of connectors"),
    ),
    "DescribedExecution": (
        _NO_EXECUTION(
            "ExecutionId ExecutionRole InitialFileLocation LoggingConfiguration PosixProfile", *_RUNS
        ),
        _NO_EXECUTION("Results ServiceMetadata Status", *_RUNS),
    ),
    "ListedExecution": (_NO_EXECUTION("ExecutionId InitialFileLocation ServiceMetadata Status", *_RUNS),),
    "ExecutionResults": (_NO_EXECUTION("OnExceptionSteps Steps", *_RUNS),),
    "ExecutionStepResult": (_NO_EXECUTION("Error Outputs StepType", *_RUNS),),
    "ExecutionError": (_NO_EXECUTION("Message Type", *_RUNS),),
    "FileLocation": (_NO_EXECUTION("EfsFileLocation S3FileLocation", *_RUNS),),
    "S3FileLocation": (_NO_EXECUTION("Bucket Etag Key VersionId", *_RUNS),),
    "LoggingConfiguration": (_NO_EXECUTION("LogGroupName LoggingRole", *_RUNS),),
    "ServiceMetadata": (_NO_EXECUTION("UserDetails", *_RUNS),),
    "UserDetails": (_NO_EXECUTION("ServerId SessionId UserName", *_RUNS),),
}

# Called the same though no test has them in a request or an answer: they are never there, as at AWS.
NEVER_THERE = {
    ("DescribedServer", "As2ServiceManagedEgressIpAddresses"),
    ("DescribedHostKey", "SecretId"),
    ("ListedHostKey", "SecretId"),
    ("DescribedSecurityPolicy", "SshHostKeyAlgorithms"),
}
# In models of botocore of late 2026 and not before: an installed one may not have them.
NEWER = {
    "HostKeyStorageType",
    "StorageType",
    "KmsKey",
    "SecretId",
    "SftpPorts",
    "ProxyConfig",
    "SftpPort",
    "CommunicationMode",
    "SftpMode",
    "StructuredLogDestinations",
}
