// The client of Node that most programs there use, as tests/sftp/test_client_journeys.py drives it:
//   node ssh2.js HOST PORT USER KEY_FILE WHAT [ARGUMENT...]
// Prints what it was asked for as JSON. Exit code 1 and a line on standard error if anything is refused.
"use strict";

const fs = require("fs");
const path = require("path");
const { pipeline } = require("stream/promises");
const { promisify } = require("util");
const clients = path.join(__dirname, "..", "..", ".clients", "node_modules");
const { Client } = require(path.join(clients, "ssh2"));

const [host, port, username, keyFile, what, ...args] = process.argv.slice(2);

function call(sftp, name, ...rest) {
  return promisify(sftp[name].bind(sftp))(...rest);
}

const asked = {
  // As it comes: 64 chunks of 32 KiB in flight, each sent when its read from disk is done.
  fastPut: (sftp, [local, remote]) => call(sftp, "fastPut", local, remote),
  fastGet: (sftp, [remote, local]) => call(sftp, "fastGet", remote, local),
  stream: (sftp, [local, remote]) => pipeline(fs.createReadStream(local), sftp.createWriteStream(remote)),
  list: async (sftp, [remote]) => (await call(sftp, "readdir", remote)).map((each) => each.filename).sort(),
  size: async (sftp, [remote]) => (await call(sftp, "stat", remote)).size,
  rename: (sftp, [from, to]) => call(sftp, "rename", from, to),
  mkdir: (sftp, [remote]) => call(sftp, "mkdir", remote),
  rmdir: (sftp, [remote]) => call(sftp, "rmdir", remote),
  unlink: (sftp, [remote]) => call(sftp, "unlink", remote),
};

const client = new Client();
client.on("ready", () => {
  client.sftp(async (error, sftp) => {
    try {
      if (error) throw error;
      console.log(JSON.stringify((await asked[what](sftp, args)) ?? null));
    } catch (refused) {
      console.error(`${what}: ${refused.message}`);
      process.exitCode = 1;
    }
    client.end();
  });
});
client.on("error", (error) => {
  console.error(`connection: ${error.message}`);
  process.exitCode = 1;
});
client.connect({ host, port: Number(port), username, privateKey: fs.readFileSync(keyFile) });
