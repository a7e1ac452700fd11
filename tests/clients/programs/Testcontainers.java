import org.testcontainers.DockerClientFactory;
import org.testcontainers.images.RemoteDockerImage;
import org.testcontainers.utility.DockerImageName;

/** What the first test with an image does that this machine does not have: pull IMAGE. */
class Program {
  public static void main(String[] arguments) {
    new RemoteDockerImage(DockerImageName.parse(arguments[0])).get();
    DockerClientFactory.lazyClient().removeImageCmd(arguments[0]).exec();
    System.exit(0);
  }
}
