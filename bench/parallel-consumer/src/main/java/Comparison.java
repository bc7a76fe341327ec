import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.datatype.jsr310.JavaTimeModule;
import com.sun.management.OperatingSystemMXBean;
import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.CommitMode;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.time.Instant;
import java.time.LocalDate;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Reads a topic to its end through parallel-consumer, once for each group named on standard input, and answers each with
 * a line: records a second, CPU seconds of this process.
 *
 * <p>Order by key, offsets committed asynchronously, every other setting of the library and of the client at its default,
 * but that a group begins at the beginning. The clock runs from the first record handled to the last. Each record is read
 * as the type that the other side reads it as, and each pass is audited alike: every event once, those of a key in order.
 */
public final class Comparison {
  private record Metadata(String source, String version, String correlation_id, String causation_id, String tenant_id) {}

  private record Data(
      String call_id,
      String name,
      String email,
      String phone,
      String phone_e164,
      LocalDate date_of_birth,
      String extraction_id) {}

  private record Event(UUID event_id, String event_type, Instant timestamp, Data data, Metadata metadata) {}

  private static final ObjectReader READER =
      JsonMapper.builder()
          .addModule(new JavaTimeModule())
          .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
          .build()
          .readerFor(Event.class);

  private static final OperatingSystemMXBean SYSTEM =
      (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

  public static void main(String[] args) throws Exception {
    if (args.length != 5) {
      System.err.println("usage: Comparison <bootstrap servers> <topic> <count> <max concurrency> <sleep in ms>");
      System.exit(2);
    }
    BufferedReader groups = new BufferedReader(new InputStreamReader(System.in));
    for (String group = groups.readLine(); group != null; group = groups.readLine()) {
      Pass pass = new Pass(Integer.parseInt(args[2]), Integer.parseInt(args[4]));
      System.out.println(pass.run(args[0], args[1], group, Integer.parseInt(args[3])));
    }
  }

  /** The books of one pass: an event's name is its number, its call is its key. */
  private static final class Pass {
    private final int count;
    private final int sleepMs;
    private final AtomicIntegerArray times;
    private final AtomicIntegerArray last;
    private final AtomicInteger handled = new AtomicInteger();
    private final AtomicReference<String> broken = new AtomicReference<>();
    private final CountDownLatch end = new CountDownLatch(1);
    private volatile long began, ended, cpuBegan, cpuEnded;

    Pass(int count, int sleepMs) {
      this.count = count;
      this.sleepMs = sleepMs;
      times = new AtomicIntegerArray(count);
      last = new AtomicIntegerArray(count);
    }

    String run(String servers, String topic, String group, int maxConcurrency) throws Exception {
      Map<String, Object> settings =
          Map.of("bootstrap.servers", servers, "group.id", group, "enable.auto.commit", false, "auto.offset.reset", "earliest");
      var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer());
      ParallelStreamProcessor<String, byte[]> processor =
          ParallelStreamProcessor.createEosStreamProcessor(
              ParallelConsumerOptions.<String, byte[]>builder()
                  .consumer(consumer)
                  .ordering(ProcessingOrder.KEY)
                  .commitMode(CommitMode.PERIODIC_CONSUMER_ASYNCHRONOUS)
                  .maxConcurrency(maxConcurrency)
                  .build());
      processor.subscribe(List.of(topic));
      processor.poll(
          record -> {
            try {
              handle(record.value());
            } catch (Exception problem) {
              fail(problem.toString());
            }
          });
      boolean came = end.await(10, TimeUnit.MINUTES);
      processor.closeDrainFirst();
      if (!came) fail(handled.get() + " of " + count + " records came in ten minutes");
      if (broken.get() == null && handled.get() != count) fail(handled.get() + " records, not " + count);
      if (broken.get() != null) {
        System.err.println("parallel-consumer: " + broken.get());
        System.exit(1);
      }
      return (count / ((ended - began) / 1e9)) + " " + ((cpuEnded - cpuBegan) / 1e9);
    }

    private void handle(byte[] value) throws Exception {
      Event event = READER.readValue(value);
      if (sleepMs > 0) Thread.sleep(sleepMs);
      int number = Integer.parseInt(event.data.name);
      if (times.getAndIncrement(number) != 0) fail("event " + number + " came twice");
      // From 1, since 0 is what no event of the key has come yet.
      int key = Integer.parseInt(event.data.call_id.substring("call-".length()));
      int before = last.getAndSet(key, number + 1);
      if (before > number) fail(event.data.call_id + ": event " + number + " came after " + (before - 1));
      int nth = handled.incrementAndGet();
      if (nth == 1) {
        cpuBegan = SYSTEM.getProcessCpuTime();
        began = System.nanoTime();
      }
      if (nth == count) {
        ended = System.nanoTime();
        cpuEnded = SYSTEM.getProcessCpuTime();
        end.countDown();
      }
    }

    private void fail(String why) {
      broken.compareAndSet(null, why);
      end.countDown();
    }
  }
}
