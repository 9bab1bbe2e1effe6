// Two transactional producers of Apache Kafka's own client write to one partition, interleaved: committed and aborted
// transactions, many batches long. Prints what was committed, in the order of the log.

import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

public class TransactionalWriter {
  private static String topic;

  public static void main(String[] args) {
    topic = args[1];
    try (var left = producer(args[0], "left"); var right = producer(args[0], "right")) {
      left.initTransactions();
      right.initTransactions();
      for (int round = 0; round < 6; round++) {
        left.beginTransaction();
        right.beginTransaction();
        // Each aborts in two rounds of three, in turn: also both at once, and the same one twice in a row.
        boolean leftCommits = round % 3 == 0;
        boolean rightCommits = round % 3 == 1;
        for (int index = 0; index < 20; index++) {
          send(left, "left-" + round + "-" + index, leftCommits);
          send(right, "right-" + round + "-" + index, rightCommits);
        }
        end(left, leftCommits);
        end(right, rightCommits);
      }
    }
  }

  private static void send(KafkaProducer<String, String> producer, String value, boolean commits) {
    producer.send(new ProducerRecord<>(topic, 0, null, value));
    // A batch of its own.
    producer.flush();
    if (commits) System.out.println(value);
  }

  private static void end(KafkaProducer<String, String> producer, boolean commits) {
    if (commits) producer.commitTransaction();
    else producer.abortTransaction();
  }

  private static KafkaProducer<String, String> producer(String bootstrap, String name) {
    var properties = new Properties();
    properties.put("bootstrap.servers", bootstrap);
    properties.put("transactional.id", topic + "-" + name);
    properties.put("linger.ms", "0");
    return new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer());
  }
}
