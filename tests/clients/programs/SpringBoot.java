import org.springframework.boot.buildpack.platform.docker.DockerApi;
import org.springframework.boot.buildpack.platform.docker.UpdateListener;
import org.springframework.boot.buildpack.platform.docker.configuration.DockerRegistryAuthentication;
import org.springframework.boot.buildpack.platform.docker.type.ImageReference;

/** What Spring Boot's plugins do with the builder of an image: pull IMAGE. */
class Program {
  public static void main(String[] arguments) throws Exception {
    var image = ImageReference.of(arguments[0]);
    var authentication =
        DockerRegistryAuthentication.configuration(
            DockerRegistryAuthentication.EMPTY_USER,
            (message, error) -> System.err.println(message + ": " + error.getMessage()));
    var images = new DockerApi().image();
    images.pull(image, null, UpdateListener.none(), authentication.getAuthHeader(image));
    images.remove(image, true);
  }
}
