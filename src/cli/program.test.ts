import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { runHere } from './run-fixture.test.ts'

const commands = [
  'demo',
  'dev',
  'serve',
  'run',
  'ledger',
  'config',
  'config view',
  'config validate',
  'config schema',
  'doctor',
  'produce',
  'consume',
  'topics',
  'topics create',
  'topics list',
  'topics describe',
  'topics delete',
  'groups',
  'groups list',
  'groups describe',
  'kafka-consumer-groups',
  'groups lag',
  'groups timeline',
  'groups reset',
  'groups pause',
  'groups resume',
  'groups delete',
  'groups delete-offsets',
  'dlq',
  'dlq list',
  'dlq show',
  'dlq redrive',
  'dlq purge',
  'exit-codes',
]

describe('the help', () => {
  test('of the program names every command and the first steps', async () => {
    const { out, err, exitCode } = await runHere(['--help'])
    for (const command of commands.filter((name) => !name.includes(' ')))
      assert.match(out, new RegExp(`^  ${command} .*\\S`, 'm'))
    assert.match(out, /First steps:\n {2}shoal dev/)
    assert.deepEqual([err, exitCode], ['', 0])
  })

  for (const command of commands)
    test(`of ${command} says what it does and shows how, in lines that fit a terminal`, async () => {
      const { out, err, exitCode } = await runHere([...command.split(' '), '--help'])
      assert.match(out, new RegExp(`^Usage: shoal ${command}`))
      assert.match(out, /Examples?:\n/)
      assert.match(out, new RegExp(`^ +(?:echo .*\\| )?shoal ${command}`, 'm'))
      for (const line of out.split('\n')) assert.ok(line.length <= 120, line)
      assert.deepEqual([err, exitCode], ['', 0])
    })

  test('of the exit codes is a command of its own', async () => {
    for (const line of [['exit-codes'], ['help', 'exit-codes']]) {
      const codes = (await runHere(line)).out.match(/^ *\d+(?= )/gm)?.map(Number)
      assert.deepEqual(codes, [0, 1, 2, 3, 4, 5, 78, 130])
    }
  })
})

describe('a command line that is wrong ends with exit code 2, a sentence on stderr and nothing on stdout', () => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    ['topcis list', /unknown command 'topcis'[^]*Did you mean topics\?/],
    ['topics lits', /unknown command 'lits'[^]*Did you mean list\?/],
    ['serve --kafka-prot 1', /unknown option '--kafka-prot'[^]*Did you mean --kafka-port\?/],
    ['topics create', /missing required argument 'topic'/],
    ['topics create t --partitions many', /--partitions many: expected a whole number/],
    ['topics create t --config x', /--config x: expected name=value/],
    ['produce', /name the topic: shoal produce TOPIC/],
    ['produce t --compression rar -v x', /--compression rar: expected one of none, gzip/],
    ['produce t --header x -v x', /--header x: expected name=value/],
    ['consume t -f %q', /unknown directive %q; known are %t/],
    ['consume t -o tomorrow', /position tomorrow: expected earliest, latest/],
    ['consume t -n 0', /--count 0: expected a whole number of at least 1/],
    ['consume t -g g -p 0', /--partition and --group/],
    ['groups describe', /name at least one group, or say --all/],
    ['groups describe g --members --state', /--members and --state: say one of them/],
    ['groups lag g --sample soon', /--sample soon: expected a duration/],
    ['groups lag g --by host', /--by <what>' argument 'host' is invalid/],
    ['groups timeline g --since yesterday', /--since yesterday: expected a span such as 30m/],
    ['groups timeline g --http ftp://x', /--http ftp:\/\/x: expected an address/],
    ['groups reset g', /say where to reset to, once: --to SPEC/],
    ['groups reset g --to earliest --to-latest', /say where to reset to, once/],
    ['groups reset g --to soon', /--to soon: expected earliest, latest, current, an offset/],
    ['groups reset g --to @5', /--to @5: expected/],
    ['groups reset g --to-offset -1', /--to-offset -1: expected a whole number of at least 0/],
    ['groups reset g --shift-by 1.5', /--shift-by 1\.5: expected a whole number/],
    ['groups reset g --to-datetime tomorrow', /--to-datetime tomorrow: expected 2026/],
    ['groups reset g --by-duration P', /--by-duration P: expected a duration such as PT2H/],
    ['groups reset g --to latest --topic orders:x', /--topic x: expected a whole number/],
    ['groups reset g --to latest --topic t --all-topics', /--all-topics and --topic/],
    ['groups reset g --to latest --execute --dry-run', /--execute and --dry-run/],
    ['groups reset g --to latest --export --json', /--export and --json/],
    ['groups reset g --from-file nope.csv', /--from-file nope\.csv cannot be read: ENOENT/],
    ['groups reset g --from-file x.csv --topic t', /--from-file says which partitions/],
    ['groups pause g --wait soon', /--wait soon: expected a duration/],
    ['groups pause g --until tomorrow', /--until tomorrow: expected a span such as 15m/],
    ['groups reset g --to latest --execute --pause --wait x', /--wait x: expected a duration/],
    ['groups delete', /missing required argument 'group'/],
    ['groups delete-offsets g --yes', /name at least one topic/],
    ['groups list --state Sleeping', /unknown state Sleeping; known are Empty/],
    ['topics list --timeout soon', /--timeout soon: expected a duration/],
    ['doctor --no-groups --handler-time long', /--handler-time long: expected a duration/],
    ['doctor --no-groups --properties no.such', /--properties no\.such cannot be read: ENOENT/],
    ['groups list --broker nats://h', /expected a URL that begins with kafka:, shoal:, redis:/],
    ['dlq show', /missing required argument 'topic'/],
    ['dlq show orders -n 0', /--count 0: expected a whole number of at least 1/],
    ['dlq list --suffix=', /--suffix: expected a text that is not empty/],
    ['dlq redrive orders --rate slow', /--rate slow: expected a number of letters a second/],
    ['dlq redrive orders --execute --dry-run', /--execute and --dry-run: say one of them/],
    ['dlq redrive orders --to orders-dlq', /--to orders-dlq: letters are there already/],
    ['ledger', /missing required argument 'module'/],
    ['ledger w.ts --records x', /--records x: expected a whole number/],
    ['ledger w.ts --session-timeout soon', /--session-timeout soon: expected a duration/],
    ['serve --log-format xml', /--log-format <format>' argument 'xml' is invalid/],
  ]
  for (const [line, words] of wrong)
    test(line, async () => {
      const { out, err, exitCode } = await runHere(line.split(' '))
      assert.match(err, words)
      assert.doesNotMatch(err, /\bat .*:\d+:\d+/)
      assert.deepEqual([out, exitCode], ['', 2])
    })
})
