/**
 * Scenarios that rows of several seeds look at.
 */

import { losingMessages, type SeedRun } from './seed-program.ts'
import { numbered, type Stage } from './stage.ts'

export interface Loss {
  /** What was committed while the record was in work. */
  readonly committed: readonly number[]
  readonly first: string
  readonly second: string
}

const BEGIN = ["print('begun', msg.offset(), flush=True)", 'sys.stdin.readline()']

/**
 * Automatic commits while a record is in work, a crash, and a restart: where it goes on.
 *
 * The group starts with a commit of `start`, since the programs name no `auto.offset.reset` and would start behind what
 * is there. The restarted program waits for the session of the killed one to end.
 */
export async function losesRecordInWork(
  stage: Stage,
  start = 0,
  program: (stage: Stage, work: readonly string[]) => SeedRun = losingMessages,
): Promise<Loss> {
  await stage.produce(numbered(start + 1))
  await stage.broker.observer.setOffset(stage.group, stage.topic, start)
  await stage.untilCommitted(start)
  const first = await stage.run(program(stage, BEGIN))
  await first.until(({ stdout }) => stdout.includes(`begun ${start}\n`))
  await stage.untilCommitted(start + 1)
  const committed = await stage.committed()
  first.kill('SIGKILL')
  await first.finished()
  await stage.produce(['after the crash'])
  const second = await stage.run(program(stage, BEGIN))
  await second.until(({ stdout }) => /begun \d+\n/.test(stdout))
  return { committed, first: first.stdout, second: second.stdout }
}
