/**
 * The command tree of `shoal`.
 */

import { Command, CommanderError } from 'commander'
import { messageOf, VERSION } from '../core/index.ts'
import { addConfig } from './commands/config.ts'
import { addConsume } from './commands/consume.ts'
import { addDemo } from './commands/demo.ts'
import { addDlq } from './commands/dlq.ts'
import { addDoctor } from './commands/doctor.ts'
import { addGroups } from './commands/groups.ts'
import { addLedger } from './commands/ledger.ts'
import { addKafkaConsumerGroups } from './commands/kafka-consumer-groups.ts'
import { addProduce } from './commands/produce.ts'
import { addRun } from './commands/run.ts'
import { addServe } from './commands/serve.ts'
import { addTopics } from './commands/topics.ts'
import { exitCodeOf, exitCodes, exitCodesHelp } from './exit-codes.ts'
import type { Io } from './io.ts'

/** Runs one command line. Words about failures go to stderr, one sentence each; the exit code goes to `io`. */
export async function runCommandLine(io: Io, args: readonly string[]): Promise<void> {
  try {
    await commandTree(io).parseAsync([...args], { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode !== 0) io.setExitCode(exitCodes.usage.code)
      return
    }
    const words = messageOf(error)
    // A list of problems has a head of its own.
    io.err(words.startsWith('✖') ? `${words}\n` : `shoal: ${words}\n`)
    if (error instanceof Error && io.env['SHOAL_DEBUG'] !== undefined)
      io.err(`${error.stack ?? ''}\n`)
    io.setExitCode(exitCodeOf(error))
  }
}

function commandTree(io: Io): Command {
  const program = new Command('shoal')
    .description(
      'consumer groups that lose nothing: a broker, a consumer runtime and a workbench for groups',
    )
    .version(VERSION)
    .helpOption('-h, --help', 'what a command does and takes')
    .showHelpAfterError('(--help shows what the command takes)')
    .showSuggestionAfterError()
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .addHelpText('after', overview)
    .exitOverride()
  program
    .command('exit-codes')
    .description('what each exit code means')
    .addHelpText('after', `\n${exitCodesHelp()}\nExample:\n  shoal exit-codes`)
    .action(() => io.out(exitCodesHelp()))
  addDemo(program, io)
  addServe(program, io)
  addRun(program, io)
  addLedger(program, io)
  addConfig(program, io)
  addDoctor(program, io)
  addTopics(program, io)
  addProduce(program, io)
  addConsume(program, io)
  addGroups(program, io)
  addDlq(program, io)
  addKafkaConsumerGroups(program, io)
  for (const command of everyCommand(program)) inherit(command, io)
  return program
}

function everyCommand(command: Command): readonly Command[] {
  return command.commands.flatMap((child) => [child, ...everyCommand(child)])
}

/** A command made by `command()` takes over only part of its parent's configuration: the streams and the exit are set again. */
function inherit(command: Command, io: Io): void {
  command
    .exitOverride()
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .showHelpAfterError('(--help shows what the command takes)')
}

const overview = `
Data goes to stdout, words to stderr; --json prints documents for programs. shoal exit-codes says how commands end.

First steps:
  shoal dev                                      a broker that is thrown away at the end
  echo '{"hello":"world"}' | shoal produce greetings
  shoal consume greetings
  shoal groups describe --all`
