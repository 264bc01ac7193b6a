// nodemailer's pool: node nodemailer.cjs WHERE CONNECTIONS PORT COUNT FILE
// WHERE is a folder that nodemailer is installed in or below; without COUNT it only says whether it is there.
const { createRequire } = require("node:module");
const { readFileSync } = require("node:fs");

const [where, connections, port, count, file] = process.argv.slice(2);
const nodemailer = createRequire(where + "/")("nodemailer");
if (count === undefined) process.exit(0);

const mails = JSON.parse(readFileSync(file, "utf-8"));
const relay = nodemailer.createTransport({
  host: "127.0.0.1", port: Number(port), secure: false, ignoreTLS: true,
  pool: true, maxConnections: Number(connections), maxMessages: Infinity,
});
const mail = (number) => {
  const { from, to, subject, html, text } = mails[number % mails.length];
  return { from, to, subject, html, text };
};

(async () => {
  await Promise.all(Array.from({ length: Number(connections) }, (_, number) => relay.sendMail(mail(number))));
  let next = 0;
  const cpu = process.cpuUsage();
  const begun = process.hrtime.bigint();
  const loop = async () => {
    while (next < Number(count)) await relay.sendMail(mail(next++));
  };
  await Promise.all(Array.from({ length: Number(connections) }, loop));
  const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
  const used = process.cpuUsage(cpu);
  relay.close();
  console.log(JSON.stringify({ seconds, cpu: (used.user + used.system) / 1e6 }));
})().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
