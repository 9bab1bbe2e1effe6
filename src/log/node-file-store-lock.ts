/**
 * One process per data folder, by something that the kernel takes back when the holder dies: a bound socket. (Node has no
 * flock, and a file with a pid outlives its process.)
 *
 * | where | address | a dead holder's |
 * | --- | --- | --- |
 * | Linux | abstract socket named by the folder's device and inode: the same folder by any path | is gone with it |
 * | Linux too | socket `lock.sock` in the folder, seen from other network namespaces (two containers, one volume) | refuses connections: taken over |
 * | elsewhere | socket or pipe in the system's temporary place, named likewise | refuses connections: taken over |
 *
 * The file `lock` says who holds it, for the message alone. Two takeovers of a dead `lock.sock` at the same moment from two
 * network namespaces are not told apart, nor are two machines that share a folder.
 */

import * as fs from 'node:fs'
import * as net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ShoalError } from '../core/index.ts'
import { isFull } from './space-reserve.ts'

const PID_FILE = 'lock'
const SOCKET_FILE = 'lock.sock'

export interface FolderLock {
  release(): Promise<void>
}

/** @throws ShoalError SHOAL_FOLDER_LOCKED at once when somebody holds it, this process included. */
export async function lockFolder(root: string): Promise<FolderLock> {
  const { dev, ino } = await fs.promises.stat(root, { bigint: true })
  const name = `shoal-${dev.toString(16)}-${ino.toString(16)}`
  const server = await take(root, addressOf(name))
  const held: FolderLock[] = [{ release: () => closeServer(server) }]
  const release = async () => {
    for (const lock of held.splice(0).reverse()) await lock.release()
  }
  try {
    if (process.platform === 'linux') held.push(await takeInFolder(root))
    await sayWho(root)
  } catch (error) {
    await release()
    throw error
  }
  return { release }
}

/** For the message alone: a full disk is no reason not to open what is on it. */
async function sayWho(root: string): Promise<void> {
  try {
    await fs.promises.writeFile(join(root, PID_FILE), `${process.pid}\n`, { mode: 0o600 })
  } catch (error) {
    if (!isFull(error)) throw error
  }
}

function addressOf(name: string): string {
  if (process.platform === 'linux') return `\0${name}`
  if (process.platform === 'win32') return `\\\\.\\pipe\\${name}`
  return join(tmpdir(), `${name}.sock`)
}

async function take(root: string, address: string): Promise<net.Server> {
  try {
    return await listen(address)
  } catch (error) {
    if (codeOf(error) !== 'EADDRINUSE') throw error
  }
  if (address.startsWith('\0') || (await answers(address))) throw await lockedError(root)
  await fs.promises.rm(address, { force: true })
  try {
    return await listen(address)
  } catch (error) {
    throw codeOf(error) === 'EADDRINUSE' ? await lockedError(root) : error
  }
}

/**
 * Through the descriptor of the folder, because the address of a socket holds 107 bytes and paths are longer. It stays open
 * as long as the socket: the address names it, and closing the socket removes what the address names.
 */
async function takeInFolder(root: string): Promise<FolderLock> {
  const folder = await fs.promises.open(root, fs.constants.O_RDONLY)
  try {
    const server = await take(root, `/proc/self/fd/${folder.fd}/${SOCKET_FILE}`)
    return {
      async release() {
        await closeServer(server)
        await folder.close()
      },
    }
  } catch (error) {
    await folder.close()
    if (error instanceof ShoalError) throw error
    // A file system without sockets (some network and FUSE mounts): the abstract one alone guards the folder.
    return { release: async () => {} }
  }
}

function listen(address: string): Promise<net.Server> {
  return new Promise((done, failed) => {
    const server = net.createServer((socket) => socket.destroy())
    server.once('error', failed)
    server.listen(address, () => {
      server.off('error', failed)
      server.unref()
      done(server)
    })
  })
}

/** Whether a live process listens there; the kernel answers for it, however busy it is. */
function answers(address: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = net.connect(address)
    socket.once('connect', () => {
      socket.destroy()
      done(true)
    })
    socket.once('error', (error) =>
      done(!['ECONNREFUSED', 'ENOENT'].includes(String(codeOf(error)))),
    )
  })
}

function closeServer(server: net.Server): Promise<void> {
  return new Promise((done) => {
    server.close(() => done())
  })
}

async function lockedError(root: string): Promise<ShoalError> {
  const text = await fs.promises.readFile(join(root, PID_FILE), 'utf8').catch(() => '')
  const pid = Number.parseInt(text, 10) || 0
  const holder =
    pid === process.pid
      ? `this process (pid ${pid})`
      : pid === 0
        ? 'another process'
        : `process ${pid}`
  return new ShoalError(
    'SHOAL_FOLDER_LOCKED',
    `${holder} works on the data folder ${root}: end it, or choose another folder`,
    { details: { pid, folder: root } },
  )
}

function codeOf(error: unknown): unknown {
  return (error as { readonly code?: unknown } | null)?.code
}
