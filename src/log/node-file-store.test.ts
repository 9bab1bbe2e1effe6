import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, test, type TestContext } from 'node:test'
import { ShoalError } from '../core/index.ts'
import { NodeFileStore } from './node-file-store.ts'

const text = (words: string) => Buffer.from(words, 'utf8')

/** A folder that is gone after the test. */
function temporaryFolder(t: TestContext): string {
  const folder = fs.mkdtempSync(join(tmpdir(), 'shoal-files-'))
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function openStore(t: TestContext) {
  const folder = join(temporaryFolder(t), 'data')
  return { folder, files: await NodeFileStore.open(folder) }
}

async function contentsOf(files: NodeFileStore, path: string): Promise<string> {
  const file = await files.open(path, { create: false })
  try {
    const bytes = Buffer.alloc(await file.size())
    return bytes.toString('utf8', 0, await file.read(0, bytes))
  } finally {
    await file.close()
  }
}

describe('a file store over a real folder', () => {
  test('writes chunks one after another, small and large, and reads them back', async (t) => {
    const { files } = await openStore(t)
    await files.makeFolder('a/b')
    const file = await files.open('a/b/c', { create: true })
    assert.equal(await file.write(0, [text('hello '), text('world')]), 11)
    const large = Buffer.alloc(700_000, 7)
    assert.equal(await file.write(11, [large, text('!')]), 700_001)
    assert.equal(await file.size(), 700_012)
    const target = new Uint8Array(700_012)
    assert.equal(await file.read(6, target), 700_006)
    assert.equal(Buffer.from(target).toString('utf8', 0, 5), 'world')
    assert.equal(target[5], 7)
    assert.equal(target[700_005], '!'.charCodeAt(0))
    await file.truncate(5)
    await file.sync()
    await file.close()
    assert.equal(await contentsOf(files, 'a/b/c'), 'hello')
  })

  test('answers a short count at the end of a file', async (t) => {
    const { files } = await openStore(t)
    const file = await files.open('x', { create: true })
    await file.write(0, [text('abc')])
    assert.equal(await file.read(1, new Uint8Array(10)), 2)
    assert.equal(await file.read(3, new Uint8Array(10)), 0)
    await file.close()
  })

  test('syncs many times through its thread, also from several callers at once', async (t) => {
    const { files } = await openStore(t)
    const file = await files.open('x', { create: true, syncsOften: true })
    for (let round = 0; round < 20; round++) {
      await file.write(round, [text('a')])
      await Promise.all([file.sync(), file.sync()])
    }
    await file.close()
    await assert.rejects(file.sync(), { code: 'SHOAL_CLOSED' })
    assert.equal(await contentsOf(files, 'x'), 'a'.repeat(20))
  })

  test('rejects a sync that the system refuses, through the thread as well', async (t) => {
    const { folder, files } = await openStore(t)
    // A pipe can be opened like a file, and fdatasync refuses it. (Closing a descriptor behind the store's back would do
    // as well, but its number may by then be somebody else's.)
    execFileSync('mkfifo', [join(folder, 'pipe')])
    const pipe = await files.open('pipe', { create: false, syncsOften: true })
    const file = await files.open('x', { create: true, syncsOften: true })
    for (let round = 0; round < 20; round++) {
      await assert.rejects(pipe.sync(), { code: 'EINVAL' })
      await file.sync()
    }
    await pipe.close()
    await file.close()
  })

  test('lists, renames over and removes; what is absent is empty or already gone', async (t) => {
    const { files } = await openStore(t)
    assert.deepEqual(await files.list('nowhere'), [])
    await files.makeFolder('a')
    for (const name of ['one', 'two']) {
      const file = await files.open(`a/${name}`, { create: true })
      await file.write(0, [text(name)])
      await file.close()
    }
    await files.rename('a/one', 'a/two')
    await files.syncFolder('a')
    assert.deepEqual(await files.list('a'), [{ name: 'two', isFolder: false }])
    assert.equal(await contentsOf(files, 'a/two'), 'one')
    await files.remove('a')
    await files.remove('a')
    assert.deepEqual(await files.list(''), [])
  })

  test('keeps folders and files from other users', async (t) => {
    const { folder, files } = await openStore(t)
    await files.makeFolder('a')
    await (await files.open('a/b', { create: true })).close()
    assert.equal(fs.statSync(folder).mode & 0o777, 0o700)
    assert.equal(fs.statSync(join(folder, 'a')).mode & 0o777, 0o700)
    assert.equal(fs.statSync(join(folder, 'a/b')).mode & 0o777, 0o600)
  })

  test('refuses a data folder that is a symbolic link, or a file', async (t) => {
    const parent = temporaryFolder(t)
    fs.mkdirSync(join(parent, 'real'))
    fs.symlinkSync(join(parent, 'real'), join(parent, 'link'))
    fs.writeFileSync(join(parent, 'file'), '')
    for (const name of ['link', 'file'])
      await assert.rejects(NodeFileStore.open(join(parent, name)), {
        code: 'SHOAL_INVALID_ARGUMENT',
      })
  })

  test('opens no file through a symbolic link and no path that leaves the folder', async (t) => {
    const { folder, files } = await openStore(t)
    fs.symlinkSync('/etc/hostname', join(folder, 'x'))
    await assert.rejects(files.open('x', { create: true }), { code: 'ELOOP' })
    for (const path of ['../x', 'a/../../x', '/etc/hostname', 'a//b', 'a\\b'])
      await assert.rejects(files.open(path, { create: true }), { code: 'SHOAL_INVARIANT' })
  })
})

describe('the lock of a data folder', () => {
  test('keeps a second embedding in the same process out, by any path, until it is released', async (t) => {
    const { folder, files } = await openStore(t)
    const other = join(temporaryFolder(t), 'other')
    fs.mkdirSync(other)
    const lock = await files.lock()
    const again = await NodeFileStore.open(join(folder, '..', 'data'))
    await assert.rejects(again.lock(), (error) => {
      assert.ok(error instanceof ShoalError)
      assert.equal(error.code, 'SHOAL_FOLDER_LOCKED')
      assert.equal(error.details['pid'], process.pid)
      assert.match(error.message, new RegExp(`this process \\(pid ${process.pid}\\)`))
      return true
    })
    await (await (await NodeFileStore.open(other)).lock()).release()
    await lock.release()
    await lock.release()
    await (await again.lock()).release()
  })

  test('is held by another process while that lives, and free once it was killed', async (t) => {
    const { folder, files } = await openStore(t)
    const script = `
      import { NodeFileStore } from ${JSON.stringify(new URL('./node-file-store.ts', import.meta.url).href)}
      const files = await NodeFileStore.open(${JSON.stringify(folder)})
      await files.lock()
      process.stdout.write('locked\\n')
      setInterval(() => {}, 1000)
    `
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.after(() => child.kill('SIGKILL'))
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
    assert.equal(line, 'locked')
    await assert.rejects(files.lock(), (error) => {
      assert.ok(error instanceof ShoalError)
      assert.equal(error.code, 'SHOAL_FOLDER_LOCKED')
      assert.equal(error.details['pid'], child.pid)
      return true
    })
    child.kill('SIGKILL')
    await once(child, 'exit')
    await (await files.lock()).release()
  })
})
