import com.google.cloud.tools.jib.api.Containerizer;
import com.google.cloud.tools.jib.api.ImageReference;
import com.google.cloud.tools.jib.api.Jib;
import com.google.cloud.tools.jib.api.LogEvent;
import com.google.cloud.tools.jib.api.RegistryImage;
import com.google.cloud.tools.jib.api.TarImage;
import com.google.cloud.tools.jib.frontend.CredentialRetrieverFactory;
import java.nio.file.Path;

/** What Jib's plugins do with its library: push ARCHIVE IMAGE, pull FILE IMAGE. */
class Program {
  public static void main(String[] arguments) throws Exception {
    var file = TarImage.at(Path.of(arguments[1])).named("local");
    var reference = ImageReference.parse(arguments[2]);
    var credentials = CredentialRetrieverFactory.forImage(reference, Program::show);
    var image = RegistryImage.named(reference).addCredentialRetriever(credentials.dockerConfig());
    if (arguments[0].equals("pull")) {
      Jib.from(image).containerize(Containerizer.to(file));
    } else {
      Jib.from(file).containerize(Containerizer.to(image));
    }
  }

  private static void show(LogEvent event) {
    if (event.getLevel().compareTo(LogEvent.Level.LIFECYCLE) <= 0) {
      System.err.println(event.getMessage());
    }
  }
}
