/**
 * The service of seed 004 as a process: `python main.py` in a folder of its own, beside the page's `.env`.
 *
 * It runs unmodified but for what a test replaces, and tells what it does by its log, a line an event.
 */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Finished, Program } from '../real/program.ts'
import { startPython } from '../real/python.ts'
import { seedText } from './seed-program.ts'
import type { Stage } from './stage.ts'

/** The statement that commits a record when its task is done, to be replaced by the page's other reading. */
const COMMIT_WHEN_DONE = `executor.submit(process_message, message).add_done_callback(
                lambda _, record=record: finished.put(record))`

/** Replacements for a service that commits each record when its task is handed over. */
export const commitAtSubmit: Readonly<Record<string, string>> = {
  [COMMIT_WHEN_DONE]: `executor.submit(process_message, message)
            consumer.commit(message=record, asynchronous=False)`,
}

export interface LoggedLine {
  /** By the service's own clock, in milliseconds; only differences mean anything. */
  readonly at: number
  readonly level: string
  readonly text: string
}

export class Service {
  readonly #program: Program

  private constructor(program: Program) {
    this.#program = program
  }

  /** Starts it on the stage's topic and group. @param replace texts of `main.py` that this test has otherwise. */
  static async start(
    stage: Stage,
    replace: Readonly<Record<string, string>> = {},
  ): Promise<Service> {
    const folder = await stage.folder()
    const env = {
      'localhost:9092': stage.bootstrap,
      'your-consumer-group': stage.group,
      'Scenario-Execute': stage.topic,
    }
    await writeFile(join(folder, 'main.py'), await seedText({ program: '004-main.py', replace }))
    await writeFile(join(folder, '.env'), await seedText({ program: '004.env', replace: env }))
    return new Service(stage.take(startPython(stage.kind, ['main.py'], { cwd: folder })))
  }

  get lines(): readonly LoggedLine[] {
    return parseLog(this.#program.stderr)
  }

  /** The lines that begin so. */
  logged(start: string): readonly LoggedLine[] {
    return this.lines.filter(({ text }) => text.startsWith(start))
  }

  /** Resolves once it has logged so many lines that begin so. */
  async untilLogged(start: string, count = 1): Promise<void> {
    await this.#program.until(() => this.logged(start).length >= count)
  }

  /** Ctrl-C, and its exit. */
  async interrupt(): Promise<Finished> {
    this.#program.kill('SIGINT')
    return this.#program.finished()
  }

  /** Ends it like a crash. */
  async crash(): Promise<void> {
    this.#program.kill('SIGKILL')
    await this.#program.finished()
  }
}

/** Every complete line; what the service did not log itself (a traceback, a word of the client) has the level FOREIGN. */
function parseLog(stderr: string): readonly LoggedLine[] {
  const complete = stderr.slice(0, stderr.lastIndexOf('\n') + 1)
  return complete
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [, day, time, millis, level, text] =
        /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d),(\d{3}) - ([A-Z]+) - (.*)$/.exec(line) ?? []
      if (level === undefined || text === undefined)
        return { at: Number.NaN, level: 'FOREIGN', text: line }
      return { at: Date.parse(`${day}T${time}.${millis}Z`), level, text }
    })
}
