"""The SFTP face: the only importer of asyncssh."""
