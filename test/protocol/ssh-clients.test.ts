import { createHash, randomBytes } from 'node:crypto'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addTarget, allEnded, type Gateway, startGateway, until } from '../support/gateway.ts'
import { joined } from '../support/recordings.ts'
import { startSshd, type TestSshd, whyNoSshd } from '../support/sshd.ts'

const why = whyNoSshd()
if (why !== undefined) console.warn(`real clients against a real sshd are left out: ${why}`)

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
const missing = (program: string) => {
  const isThere = ['/usr/bin', '/usr/sbin', '/bin'].some((folder) => existsSync(join(folder, program)))
  if (!isThere) console.warn(`${program} is not installed (deploy/test-packages.txt): its test is left out`)
  return !isThere
}

describe.skipIf(why !== undefined)('real clients through the gateway (fake vault, real sshd)', () => {
  let sshd: TestSshd
  let gateway: Gateway
  let folder: string
  const big = randomBytes(5_000_000)

  beforeAll(async () => {
    sshd = await startSshd()
    gateway = await startGateway()
    addTarget(gateway, 'press-3', sshd)
    addTarget(gateway, 'bound', sshd, { fileMegabytes: 6 })
    folder = join(gateway.folder, 'files')
    mkdirSync(folder)
    writeFileSync(join(folder, 'big'), big)
    writeFileSync(join(folder, 'empty'), '')
  })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await sshd.stop()
  })

  const place = () => `bob@${sshd.user}@press-3@127.0.0.1`
  const ssh = (command: readonly string[], input?: Buffer | string, extra: readonly string[] = []) =>
    gateway.run('ssh', [...gateway.ssh(['-p', String(gateway.port), ...extra]), place(), ...command], input)
  const onTarget = (name: string) => readFileSync(join(sshd.home, name))
  const lastFiles = () => gateway.vault.inputsOf('session.file')

  test.each([0, 1, 7, 126, 255])('exit code %i arrives as it was', async (code) => {
    expect((await ssh([`exit ${code}`])).code).toBe(code)
  })

  test('a program that dies of a signal is told as a signal', async () => {
    const ran = await ssh(['kill -TERM $$'], '', ['-v'])
    expect(ran.code).toBe(255)
    expect(ran.err).toContain('exit-signal')
  })

  test('output and errors stay apart, and nothing is lost at the end', async () => {
    const ran = await ssh(['head -c 3000000 /dev/zero; head -c 2000000 /dev/zero >&2; exit 3'])
    expect([ran.code, ran.out.length, ran.err.length]).toEqual([3, 3_000_000, 2_000_000])
  })

  test('standard input reaches its end, and the program with it', async () => {
    const ran = await ssh(['sha256sum'], big)
    expect(ran.out.toString()).toContain(sha256(big))
  })

  test('standard input that ends at once does not end the command', async () => {
    const ran = await ssh(['sleep 0.3; echo late'], undefined, ['-n'])
    expect([ran.code, ran.out.toString()]).toEqual([0, 'late\n'])
  })

  test('a shell has a terminal of the size, the name and the settings that the client asked for', async () => {
    const ran = await gateway.run(
      'expect',
      [
        '-c',
        `set timeout 10
       set stty_init "rows 31 cols 111 erase ^H iutf8"
       spawn ssh ${gateway.ssh(['-p', String(gateway.port), '-tt']).join(' ')} ${place()}
       expect "$ "
       send "stty size; stty -a | grep -oE 'erase = \\\\S+;|.?iutf8'; echo \\$TERM-\\$LANG; echo mar\\\\ker\\r"
       expect "marker"
       send "exit 5\\r"
       expect eof
       lassign [wait] pid spawnid os code
       exit $code`,
      ],
      undefined,
      { env: { ...process.env, TERM: 'xterm-256color', LANG: 'C.UTF-8' } },
    )
    expect(ran.out.toString()).toContain('31 111')
    expect(ran.out.toString()).toContain('erase = ^H;')
    expect(ran.out.toString()).toContain(' iutf8')
    expect(ran.out.toString()).toContain('xterm-256color-')
    expect(ran.code).toBe(5)
    const frames = await gateway.frames()
    expect(joined(frames, 'output').toString()).toContain('31 111')
    expect(joined(frames, 'input').length).toBe(0)
  })

  test('scp with the SFTP protocol copies both ways, hashed', async () => {
    const options = gateway.ssh(['-P', String(gateway.port), '-s'])
    expect(
      await gateway.run('scp', [
        ...options,
        join(folder, 'big'),
        `scp://${place()}/up-s`.replace('scp://', '').replace('/up-s', ':up-s'),
      ]),
    ).toMatchObject({ code: 0 })
    expect(sha256(onTarget('up-s'))).toBe(sha256(big))
    expect(await gateway.run('scp', [...options, `${place()}:up-s`, join(folder, 'down-s')])).toMatchObject({
      code: 0,
    })
    expect(sha256(readFileSync(join(folder, 'down-s')))).toBe(sha256(big))
    await allEnded(gateway.vault)
    const ours = lastFiles().filter(({ name }) => name.endsWith('up-s'))
    expect(
      ours.map(({ direction, via, size, sha256: digest, complete }) => [
        direction,
        via,
        size,
        digest,
        complete,
      ]),
    ).toEqual([
      ['upload', 'sftp', big.length, sha256(big), true],
      ['download', 'sftp', big.length, sha256(big), true],
    ])
  })

  test('scp with its own protocol copies both ways, hashed, folders too', async () => {
    const options = gateway.ssh(['-P', String(gateway.port), '-O'])
    mkdirSync(join(folder, 'tree/inner'), { recursive: true })
    writeFileSync(join(folder, 'tree/inner/leaf'), 'leaf')
    expect(
      await gateway.run('scp', [...options, '-p', join(folder, 'big'), `${place()}:up-o`]),
    ).toMatchObject({ code: 0 })
    expect(sha256(onTarget('up-o'))).toBe(sha256(big))
    expect(
      await gateway.run('scp', [...options, '-r', join(folder, 'tree'), `${place()}:copied`]),
    ).toMatchObject({ code: 0 })
    expect(await gateway.run('scp', [...options, `${place()}:up-o`, join(folder, 'down-o')])).toMatchObject({
      code: 0,
    })
    expect(sha256(readFileSync(join(folder, 'down-o')))).toBe(sha256(big))
    await allEnded(gateway.vault)
    const ours = lastFiles().filter(({ via }) => via === 'scp')
    expect(
      ours.map(({ name, direction, size, sha256: digest, complete }) => [
        name,
        direction,
        size,
        digest,
        complete,
      ]),
    ).toEqual([
      ['up-o/big', 'upload', big.length, sha256(big), true],
      ['copied/tree/inner/leaf', 'upload', 4, sha256(Buffer.from('leaf')), true],
      ['up-o', 'download', big.length, sha256(big), true],
    ])
    const frames = await gateway.frames()
    const mark = frames.find((frame) => frame.kind === 'mark' && frame.mark.kind === 'file')
    expect(mark).toMatchObject({ mark: { sha256: sha256(big), complete: true } })
    // The beginning of each file is recorded, the rest is only hashed.
    expect(joined(frames, 'output').includes(big.subarray(1000, 1064))).toBe(true)
    expect(joined(frames, 'output').includes(big.subarray(100_000, 100_064))).toBe(false)
  })

  test('files of a session carry what they may, and then the client reads why; the next session has as much again', async () => {
    const at = `bob@${sshd.user}@bound@127.0.0.1`
    const options = gateway.ssh(['-P', String(gateway.port)])
    const why =
      /the files of this session may carry 6 MB in all, so this transfer ends: connect again, or ask/
    const both = await gateway.run(
      'sftp',
      [...options, '-b', '-', at],
      `put ${join(folder, 'big')} bound-up\nget bound-up ${join(folder, 'bound-down')}\n`,
    )
    expect([both.code === 0, both.err]).toEqual([false, expect.stringMatching(why)])
    expect(sha256(onTarget('bound-up'))).toBe(sha256(big))
    expect(statSync(join(folder, 'bound-down')).size).toBeLessThanOrEqual(1_000_000)
    writeFileSync(join(folder, 'larger'), randomBytes(6_000_001))
    const refused = await gateway.run('scp', [...options, '-O', join(folder, 'larger'), `${at}:bound-scp`])
    expect([refused.code === 0, refused.err]).toEqual([false, expect.stringMatching(why)])
    expect(
      await gateway.run('scp', [...options, '-O', join(folder, 'big'), `${at}:bound-again`]),
    ).toMatchObject({ code: 0 })
    await allEnded(gateway.vault)
    expect(
      lastFiles()
        .filter(({ name }) => /bound/.test(name))
        .map(({ direction, complete }) => [direction, complete]),
    ).toEqual([
      ['upload', true],
      ['download', false],
      ['upload', true],
    ])
    expect(gateway.vault.inputsOf('session.event')).toContainEqual(
      expect.objectContaining({ event: 'refused channel', detail: expect.stringMatching(why) }),
    )
  })

  test('sftp lists, makes, renames and removes, and says so in the recording', async () => {
    const batch = `put ${join(folder, 'empty')} one\nrename one two\nmkdir dir\nls -l\nget two ${join(folder, 'two')}\nrm two\nrmdir dir\n`
    const ran = await gateway.run(
      'sftp',
      [...gateway.ssh(['-P', String(gateway.port), '-b', '-']), place()],
      batch,
    )
    expect([ran.code, ran.err]).toEqual([0, ''])
    expect(statSync(join(folder, 'two')).size).toBe(0)
    const marks = (await gateway.frames()).flatMap((frame) =>
      frame.kind === 'mark' && frame.mark.kind === 'command' ? [frame.mark.line] : [],
    )
    expect(marks.map((line) => line.replaceAll(`${sshd.home}/`, ''))).toEqual([
      'sftp posix-rename one two',
      'sftp mkdir dir',
      'sftp remove two',
      'sftp rmdir dir',
    ])
  })

  test.skipIf(missing('rsync'))('rsync copies both ways', async () => {
    const shell = `ssh ${gateway.ssh(['-p', String(gateway.port)]).join(' ')}`
    expect(
      await gateway.run('rsync', ['-a', '-e', shell, join(folder, 'big'), `${place()}:rs`]),
    ).toMatchObject({ code: 0 })
    expect(sha256(onTarget('rs'))).toBe(sha256(big))
    expect(
      await gateway.run('rsync', ['-a', '-e', shell, `${place()}:rs`, join(folder, 'rs-down')]),
    ).toMatchObject({ code: 0 })
    expect(sha256(readFileSync(join(folder, 'rs-down')))).toBe(sha256(big))
  })

  test.skipIf(missing('git'))('git pushes and clones', async () => {
    const env = {
      ...process.env,
      GIT_SSH_COMMAND: `ssh ${gateway.ssh(['-p', String(gateway.port)]).join(' ')}`,
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_AUTHOR_NAME: 'bob',
      GIT_AUTHOR_EMAIL: 'bob@example.com',
      GIT_COMMITTER_NAME: 'bob',
      GIT_COMMITTER_EMAIL: 'bob@example.com',
    }
    const repo = join(folder, 'repo')
    expect(await ssh(['git init -q --bare repo.git'])).toMatchObject({ code: 0 })
    for (const args of [
      ['init', '-q', repo],
      ['-C', repo, 'commit', '-q', '--allow-empty', '-m', 'one'],
      ['-C', repo, 'push', '-q', `${place()}:repo.git`, 'HEAD:refs/heads/main'],
    ])
      expect(await gateway.run('git', args, undefined, { env })).toMatchObject({ code: 0 })
    const clone = await gateway.run(
      'git',
      ['clone', '-q', '-b', 'main', `${place()}:repo.git`, join(folder, 'clone')],
      undefined,
      { env },
    )
    expect(clone).toMatchObject({ code: 0 })
  })

  test('ssh -J carries an inner login to a target by its name', async () => {
    const config = join(folder, 'config')
    const options = gateway.ssh().filter((_, at, all) => !(all[at] === '-F' || all[at - 1] === '-F'))
    const lines = [
      `Host gw\n  HostName 127.0.0.1\n  Port ${gateway.port}\n  User bob`,
      `Host press-3\n  ProxyJump gw\n  User ${sshd.user}`,
      'Host *',
      ...options.flatMap((text, at) => (options[at - 1] === '-o' ? [`  ${text}`] : [])),
      `  IdentityFile ${gateway.keyFile}`,
    ]
    writeFileSync(config, `${lines.join('\n')}\n`)
    chmodSync(config, 0o600)
    const ran = await gateway.run('ssh', ['-F', config, 'press-3', 'id -un; exit 4'])
    expect([ran.code, ran.out.toString(), ran.err]).toEqual([4, `${sshd.user}\n`, ''])
    const copied = await gateway.run('scp', ['-F', config, join(folder, 'big'), 'press-3:via-j'])
    expect(copied).toMatchObject({ code: 0 })
    expect(sha256(onTarget('via-j'))).toBe(sha256(big))
  })

  test('a master connection carries many channels in one session', async () => {
    const control = join(folder, 'cm')
    const before = gateway.vault.permits.size
    const multi = ['-o', `ControlPath=${control}`]
    const master = gateway.run('ssh', [
      ...gateway.ssh(['-p', String(gateway.port), '-M', '-N', ...multi]),
      place(),
    ])
    await until(() => existsSync(control))
    const codes = await Promise.all(
      Array.from({ length: 8 }, (_, at) => ssh([`echo ${at}; exit ${at}`], undefined, multi)),
    )
    expect(codes.map(({ code, out }) => [code, out.toString()])).toEqual(
      Array.from({ length: 8 }, (_, at) => [at, `${at}\n`]),
    )
    expect(gateway.vault.permits.size).toBe(before + 1)
    await gateway.run('ssh', [...gateway.ssh(['-p', String(gateway.port), ...multi, '-O', 'exit']), place()])
    await master
  })

  test('a client that exchanges keys again and again loses nothing', async () => {
    const ran = await ssh(['cat'], big, ['-o', 'RekeyLimit=300K'])
    expect(sha256(ran.out)).toBe(sha256(big))
  })

  test.skipIf(missing('plink'))('plink runs a command, psftp copies a file', async () => {
    const key = join(folder, 'bob.ppk')
    await gateway.run('puttygen', [gateway.keyFile, '-O', 'private', '-o', key])
    const home = join(folder, 'putty')
    mkdirSync(home, { recursive: true })
    const env = { ...process.env, HOME: home }
    const hostKey =
      readFileSync(join(gateway.folder, 'known_hosts'), 'utf8').split('\n')[0]?.split(' ')[2] ?? ''
    const print = `SHA256:${createHash('sha256').update(Buffer.from(hostKey, 'base64')).digest('base64').replace(/=+$/, '')}`
    const common = ['-batch', '-hostkey', print, '-i', key, '-P', String(gateway.port)]
    const ran = await gateway.run(
      'plink',
      [...common, '-no-antispoof', place(), 'echo hello; exit 9'],
      undefined,
      { env },
    )
    expect([ran.code, ran.out.toString()]).toEqual([9, 'hello\n'])
    const batch = join(folder, 'batch')
    writeFileSync(batch, `put ${join(folder, 'big')} putty-up\nquit\n`)
    expect(await gateway.run('psftp', [...common, '-b', batch, place()], undefined, { env })).toMatchObject({
      code: 0,
    })
    expect(sha256(onTarget('putty-up'))).toBe(sha256(big))
  })

  test('paramiko runs a command and copies a file', async () => {
    const script = `
import paramiko, sys, hashlib
c = paramiko.SSHClient(); c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
c.connect('127.0.0.1', port=${gateway.port}, username='bob@${sshd.user}@press-3', key_filename='${gateway.keyFile}', allow_agent=False, look_for_keys=False)
i, o, e = c.exec_command('echo out; exit 6')
print(o.read().decode().strip(), o.channel.recv_exit_status())
s = c.open_sftp(); s.put('${join(folder, 'big')}', 'pm'); s.get('pm', '${join(folder, 'pm')}'); s.close(); c.close()
`
    const ran = await gateway.run('/usr/bin/python3', ['-c', script])
    expect([ran.code, ran.out.toString()]).toEqual([0, 'out 6\n'])
    expect(sha256(readFileSync(join(folder, 'pm')))).toBe(sha256(big))
    await allEnded(gateway.vault)
    const ours = lastFiles().filter(({ name }) => name === 'pm')
    expect(ours.map(({ direction, sha256: digest, complete }) => [direction, digest, complete])).toEqual([
      ['upload', sha256(big), true],
      ['download', sha256(big), true],
    ])
  })

  test.skipIf(missing('ansible'))(
    'ansible runs a module',
    async () => {
      const inventory = join(folder, 'hosts')
      const user = `bob@${sshd.user}@press-3`
      writeFileSync(
        inventory,
        `press ansible_host=127.0.0.1 ansible_port=${gateway.port} ansible_user=${user} ansible_python_interpreter=/usr/bin/python3 ansible_ssh_common_args='${gateway.ssh().join(' ')}'\n`,
      )
      const ran = await gateway.run('ansible', ['-i', inventory, 'press', '-m', 'ping'], undefined, {
        env: {
          ...process.env,
          ANSIBLE_LOCAL_TEMP: join(folder, 'ansible'),
          ANSIBLE_HOME: join(folder, 'ansible'),
          LC_ALL: 'C.UTF-8',
          // Else its master connection outlives it for a minute, and the session with it.
          ANSIBLE_SSH_ARGS: '-o ControlMaster=no',
        },
      })
      expect(ran.out.toString() + ran.err).toContain('"ping": "pong"')
      expect(ran.code).toBe(0)
    },
    30_000,
  )

  test('a gigabyte goes up and down byte for byte, and its digest is audited', async () => {
    // In memory where the machine has it: three gigabytes written to a disk stall every recording on it.
    const room = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : folder, 'tagout-large-'))
    chmodSync(room, 0o777)
    const [large, up, down] = [join(room, 'large'), join(room, 'up'), join(room, 'down')]
    const block = randomBytes(2 ** 20)
    const digest = createHash('sha256')
    for (let at = 0; at < 1_000; at += 1) {
      block.writeUInt32BE(at)
      digest.update(block)
      appendFileSync(large, block)
    }
    const expected = digest.digest('hex')
    const digestOf = async (file: string) =>
      (await gateway.run('sha256sum', [file])).out.toString().slice(0, 64)
    try {
      const options = [...gateway.ssh(['-P', String(gateway.port)])]
      expect((await gateway.run('scp', [...options, large, `${place()}:${up}`])).err).toBe('')
      expect(await digestOf(up)).toBe(expected)
      expect((await gateway.run('scp', [...options, `${place()}:${up}`, down])).err).toBe('')
      expect(await digestOf(down)).toBe(expected)
      await allEnded(gateway.vault)
      const size = 1_000 * block.length
      expect(
        lastFiles()
          .slice(-2)
          .map((file) => [file.direction, file.size, file.sha256, file.complete]),
      ).toEqual([
        ['upload', size, expected, true],
        ['download', size, expected, true],
      ])
    } finally {
      rmSync(room, { recursive: true, force: true })
    }
  }, 300_000)
})
