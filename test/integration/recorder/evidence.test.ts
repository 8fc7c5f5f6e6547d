import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sodium from 'libsodium-wrappers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { requestTimestamp, type TimestampConfig } from '../../../api/index.ts'
import { type Stamped, stampPath } from '../../../api/stamp.ts'
import { newId } from '../../../vault/kernel/id.ts'
import { openTimestamp } from '../../../vault/proof/timestamp.ts'
import { startFakeConsole } from '../../support/console-fake.ts'
import { send } from '../../support/raw-http.ts'
import { recordingView } from '../../support/views.ts'
import { type EvidenceFacts, unsealKey, verifyPackage } from '../../../recorder/evidence/index.ts'
import { toBase64 } from '../../../vault/kernel/encoding.ts'
import { tagout } from '../../support/cli.ts'
import { type RecordingRoom, recordingRoom } from '../../support/recordings.ts'
import { logKey, scriptedPackage } from '../../support/scripted-package.ts'

let room: RecordingRoom
const folder = mkdtempSync(join(tmpdir(), 'tagout-evidence-'))
const python = join(import.meta.dirname, '../../golden/read_evidence.py')

beforeAll(async () => {
  room = await recordingRoom()
})
afterAll(async () => {
  await room[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

function unpacked(name: string, bytes: Uint8Array): string {
  writeFileSync(join(folder, `${name}.zip`), bytes)
  execFileSync('/usr/bin/python3', ['-m', 'zipfile', '-e', `${name}.zip`, name], { cwd: folder })
  return join(folder, name)
}

const openssl = (cwd: string, ...args: string[]) => spawnSync('openssl', args, { cwd, encoding: 'utf8' })
const cmsArguments = [
  ...['cms', '-verify', '-binary', '-inform', 'DER', '-in', 'SHA256SUMS.p7s', '-content', 'SHA256SUMS'],
  ...['-CAfile', 'certificate.pem', '-out', '/dev/null'],
]

test('a package is complete for us, for our second reader, for sha256sum and for openssl', async () => {
  const bytes = await scriptedPackage(room)
  const verdict = await verifyPackage(sodium, bytes, { logKey: logKey.publicKey })
  expect(verdict).toMatchObject({ state: 'complete', notes: [] })
  expect(verdict.checks).toHaveLength(9)
  const place = unpacked('whole', bytes)
  expect(spawnSync('sha256sum', ['-c', '--strict', 'SHA256SUMS'], { cwd: place }).status).toBe(0)
  expect(openssl(place, ...cmsArguments)).toMatchObject({ status: 0 })
  writeFileSync(join(place, 'SHA256SUMS'), `${readFileSync(join(place, 'SHA256SUMS'), 'utf8')} `)
  expect(openssl(place, ...cmsArguments).status).not.toBe(0)
  const key = toBase64(logKey.publicKey)
  expect(
    spawnSync('/usr/bin/python3', [python, 'whole.zip', '--key', key], { cwd: folder, encoding: 'utf8' }),
  ).toMatchObject({
    status: 0,
    stdout: 'whole.zip: complete\n',
  })
  const said = await tagout(['verify', 'whole.zip', '--key', key], { cwd: folder })
  expect(said).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^The package is complete and as it was signed\./),
  })
  const other = await tagout(['verify', 'whole.zip', '--key', toBase64(new Uint8Array(32).fill(1))], {
    cwd: folder,
  })
  expect(other).toMatchObject({ code: 1, err: expect.stringMatching(/signed by another key/) })
})

test('a cut holds the keys of its segments alone, and says which part it is', async () => {
  const bytes = await scriptedPackage(room, { range: { from: 61e9, to: 62e9 }, segments: 4 })
  const verdict = await verifyPackage(sodium, bytes, { logKey: logKey.publicKey })
  expect(verdict).toMatchObject({ state: 'complete', recording: { cut: { first: 1, last: 1, of: 4 } } })
  const facts = verdict.facts as EvidenceFacts
  expect(facts.key).toMatchObject({ kind: 'segments', segments: [{ segment: 1 }] })
  unpacked('cut', bytes)
  expect(spawnSync('/usr/bin/python3', [python, 'cut.zip'], { cwd: folder, encoding: 'utf8' }).stdout).toBe(
    'cut.zip: complete\n',
  )
})

test('a sealed package proves itself without its passphrase, and opens with it alone', async () => {
  const bytes = await scriptedPackage(room, { passphrase: 'larch lantern 4471' })
  const verdict = await verifyPackage(sodium, bytes, { logKey: logKey.publicKey })
  expect(verdict).toMatchObject({
    state: 'complete',
    notes: [expect.stringMatching(/sealed with a passphrase/)],
  })
  const { key, recording } = verdict.facts as EvidenceFacts
  if (key.kind !== 'passphrase') throw new Error('it is open')
  expect(await unsealKey(recording, key, 'larch lantern 4472')).toBeUndefined()
  const opened = await verifyPackage(sodium, bytes, {
    logKey: logKey.publicKey,
    open: (facts) => unsealKey(facts.recording, key, 'larch lantern 4471'),
  })
  expect(opened.checks.at(-1)).toMatch(/its key opens all of it/)
  unpacked('sealed', bytes)
  const read = spawnSync('/usr/bin/python3', [python, 'sealed.zip', '--passphrase', 'larch lantern 4471'], {
    cwd: folder,
    encoding: 'utf8',
  })
  expect(read.stdout).toBe('sealed.zip: complete\n')
})

test('a real time-stamper says when it saw the signature, and openssl takes it', async () => {
  const tsa = join(folder, 'tsa')
  execFileSync('sh', ['-c', timeStamper, 'sh', tsa], { stdio: 'ignore' })
  const certificates = `${readFileSync(join(tsa, 'tsa.pem'), 'utf8')}${readFileSync(join(tsa, 'ca.pem'), 'utf8')}`
  const server = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      writeFileSync(join(tsa, 'asked.tsq'), Buffer.concat(pieces))
      const made = openssl(
        tsa,
        'ts',
        '-reply',
        '-config',
        'ts.cnf',
        '-queryfile',
        'asked.tsq',
        '-out',
        'said.tsr',
      )
      response.statusCode = made.status === 0 ? 200 : 500
      response.end(made.status === 0 ? readFileSync(join(tsa, 'said.tsr')) : made.stderr)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  try {
    const bytes = await scriptedPackage(room, {
      stampCertificates: certificates,
      stamp: (signature) => requestTimestamp({ url, certificates }, signature),
    })
    const verdict = await verifyPackage(sodium, bytes, { logKey: logKey.publicKey })
    expect(verdict).toMatchObject({ state: 'complete' })
    expect(verdict.checks.join('\n')).toMatch(/a time-stamper saw the signature at \d{4}-/)
    const place = unpacked('stamped', bytes)
    expect(
      openssl(
        place,
        ...['ts', '-verify', '-data', 'SHA256SUMS.p7s', '-in', 'SHA256SUMS.tsr'],
        ...['-CAfile', 'timestamp.pem', '-untrusted', 'timestamp.pem'],
      ),
    ).toMatchObject({ status: 0 })
    // A browser asks its api, which asks the time-stamper.
    const [signature, stamp] = ['SHA256SUMS.p7s', 'SHA256SUMS.tsr'].map((name) =>
      readFileSync(join(place, name)),
    )
    const byApi = await stampOfApi(() => ({ url, certificates }), {
      signature: signature?.toString('base64'),
    })
    expect(byApi).toMatchObject({ certificates, why: null })
    expect(
      await openTimestamp(Buffer.from(byApi.stamp ?? '', 'base64'), signature as Buffer, certificates),
    ).toBeDefined()
    expect(stamp?.length).toBeGreaterThan(100)
    expect(await stampOfApi(() => ({ url, certificates }), {})).toEqual({
      certificates,
      stamp: null,
      why: null,
    })
    // What went without, as it was away, gets one later.
    writeFileSync(
      join(folder, 'late.zip'),
      await scriptedPackage(room, { stampCertificates: certificates, stamp: async () => undefined }),
    )
    writeFileSync(
      join(tsa, 'tagout.json'),
      JSON.stringify({ timestamp: { url, certificatesFile: 'tsa.pem' } }),
    )
    const stamping = (from: string, out: string) =>
      tagout(['recording', 'stamp', from, '--out', out], { cwd: folder, env: { TAGOUT_DATA: tsa } })
    expect(await stamping('late.zip', 'late-stamped.zip')).toMatchObject({ code: 0 })
    const late = await verifyPackage(sodium, readFileSync(join(folder, 'late-stamped.zip')), {
      logKey: logKey.publicKey,
    })
    expect(late.checks.join('\n')).toMatch(/a time-stamper saw the signature at \d{4}-/)
    expect((await stamping('late-stamped.zip', 'again.zip')).err).toMatch(/has a time-stamp already/)
    expect((await stamping('whole.zip', 'again.zip')).err).toMatch(/does not name whose stamps it takes/)
    expect((await stamping('late.zip', 'late-stamped.zip')).err).toMatch(/exists already/)
    const foreign = await requestTimestamp({ url, certificates }, Buffer.from('something else'))
    const wrong = await scriptedPackage(room, { stampCertificates: certificates, stamp: async () => foreign })
    expect(await verifyPackage(sodium, wrong)).toMatchObject({ state: 'tampered', file: 'SHA256SUMS.tsr' })
    await expect(
      requestTimestamp({ url, certificates: readFileSync(join(tsa, 'ca.pem'), 'utf8') }, Buffer.from('x')),
    ).rejects.toThrow(/by the certificate that is configured/)
  } finally {
    server.close()
  }
  await expect(requestTimestamp({ url, certificates }, Buffer.from('x'))).rejects.toThrow(/does not answer/)
  expect(await stampOfApi(() => ({ url, certificates }), { signature: 'AAAA' })).toEqual({
    certificates,
    stamp: null,
    why: expect.stringContaining('does not answer'),
  })
  expect(await stampOfApi(() => undefined, { signature: 'AAAA' })).toEqual({
    certificates: null,
    stamp: null,
    why: null,
  })
  const without = await scriptedPackage(room, {
    stampCertificates: certificates,
    stamp: async () => undefined,
  })
  expect(await verifyPackage(sodium, without, { logKey: logKey.publicKey })).toMatchObject({
    state: 'complete',
    notes: [expect.stringMatching(/the time-stamper was away/)],
  })
})

/** What the api's route for stamps answers to an auditor. */
async function stampOfApi(stamper: () => TimestampConfig | undefined, body: object): Promise<Stamped> {
  await using edge = await startFakeConsole({ stamper })
  edge.answers.set('recording.readable', () => recordingView())
  const answer = await send(edge.address, 'POST', stampPath.replace(':recording', newId('rec')), {
    headers: {
      origin: edge.address,
      'content-type': 'application/json',
      cookie: `__Host-tagout=${edge.signIn('ingrid', 'auditor')}`,
    },
    body: JSON.stringify(body),
  })
  expect(answer.status).toBe(200)
  return JSON.parse(answer.text)
}

const timeStamper = `set -e
mkdir "$1"; cd "$1"
printf 'extendedKeyUsage=critical,timeStamping\\n' > ext
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 3650
openssl req -newkey rsa:2048 -nodes -keyout tsa.key -out tsa.csr -subj /CN=time-stamper
openssl x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile ext -days 3650 -out tsa.pem
echo 01 > serial
cat > ts.cnf <<END
[tsa]
default_tsa = one
[one]
serial = ./serial
signer_cert = ./tsa.pem
certs = ./ca.pem
signer_key = ./tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ess_cert_id_alg = sha256
END`
